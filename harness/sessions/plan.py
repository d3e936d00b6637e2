"""Which sessions a run holds: personas x seeds, with stable ids and derived seeds."""

from collections.abc import Iterator, Sequence

from harness.types import SessionSpec, Source, derive_seed


def plan(
    personas: Sequence[str],
    sessions_per_persona: int,
    seed: int,
    course: int = 1,
    source: Source = Source.SIMULATED,
) -> Iterator[tuple[SessionSpec, ...]]:
    """What a run holds: the sessions that follow one another with one patient, mostly a single one.

    Round robin over personas, so that an early stop leaves every persona covered. With `course` sessions each, their ids
    are `PERSONA-000.1`, `PERSONA-000.2`, ...; the first has the seed of the session that would stand alone.
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
