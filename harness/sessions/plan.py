"""The sessions of a run: personas x seeds, with stable ids and derived seeds."""

from collections.abc import Iterator, Sequence

from harness.types import SessionSpec, Source, derive_seed


def plan(
    personas: Sequence[str],
    sessions_per_persona: int,
    seed: int,
    course: int = 1,
    source: Source = Source.SIMULATED,
) -> Iterator[tuple[SessionSpec, ...]]:
    """The courses of a run, each a tuple of its sessions in order; without courses, a single session.

    Round robin over personas, so that a run that is stopped early covers all personas. In a course of several sessions,
    their ids are `PERSONA-000.1`, `PERSONA-000.2`, ...; the first has the seed that it would have without a course.
    """
    for index in range(sessions_per_persona):
        for persona in personas:
            name, first = f"{persona}-{index:03d}", derive_seed(seed, persona, index)
            if course == 1:
                yield (SessionSpec(name, persona, first, index, source=source),)
                continue
            seeds = [first, *(derive_seed(seed, persona, index, number) for number in range(2, course + 1))]
            yield tuple(
                SessionSpec(f"{name}.{number}", persona, own, index, name, number, source)
                for number, own in enumerate(seeds, 1)
            )
