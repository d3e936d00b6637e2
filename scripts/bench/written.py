#!/usr/bin/env python
"""What guard and patients find in the written sessions and their variants, and how similar the good ones are. No model.

python scripts/bench/written.py
"""

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import combinations, pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.agents.appraisal import Listener
from harness.agents.inner_state import initial, step
from harness.config.guard import GuardConfig
from harness.guard import Guard
from harness.judges.written import variants
from harness.judges.written.library import WrittenSession, sessions
from harness.judges.written.variants import Kind, Turns, Variant
from harness.metrics.diversity import likeness, sketch
from harness.paths import persona_dir
from harness.personas.library import load
from harness.personas.schema import Persona
from harness.types import FinishReason, Speaker, Turn

CONTROLS = (Kind.NEUTRAL, Kind.LONGER, Kind.PRAISE, Kind.INSTRUCTION)
"""Variants in which nothing should be found."""


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    every = list(sessions())
    good = [session for session in every if session.quality == "good"]
    print("findings of the guard:")
    for session in every:
        counts = Counter(f"{kind} ({speaker})" for kind, _, speaker in findings(session.turns))
        if counts:
            print(f"  {session.id}: {', '.join(f'{name} in {n} turns' for name, n in counts.items())}")
    print("\nsimilarity of the good sessions (Jaccard index of pairs of content words), ten most similar pairs:")
    pairs = sorted(alike(good), reverse=True)
    for value, one, other in pairs[:10]:
        print(f"  {value:.3f}  {one}  {other}")
    print(f"  mean of {len(pairs)} pairs: {sum(value for value, _, _ in pairs) / len(pairs):.4f}")
    print("\nvariants of the good sessions:")
    people = personas()
    found: Counter[tuple[Kind, str]] = Counter()
    for session in good:
        before, trust = (
            {finding[:2] for finding in findings(session.turns)},
            gained(session.turns, people[session.persona]),
        )
        for made in made_of(session.turns):
            new = {kind for kind, number, _ in told(made) if (kind, number) not in before}
            lower = made.kind in (Kind.SWAPPED, Kind.STRIPPED) and gained(made.turns, people[session.persona]) < trust
            found[made.kind, " and ".join([*sorted(new), *(["less trust"] if lower else [])]) or "nothing"] += 1
    for (kind, what), n in sorted(found.items()):
        print(f"  {kind}: {what} in {n} of {len(good)}")


def findings(turns: Turns, cut: Collection[int] = ()) -> list[tuple[str, int, str]]:
    """What the guard finds: kind, turn and speaker. The turns in `cut` ended at their token limit."""
    guard, found = Guard(GuardConfig(mends="none")), []
    for number, (speaker, text) in enumerate(turns):
        reason = FinishReason.LENGTH if number in cut else FinishReason.STOP
        events = guard.observe(Turn(number, speaker, text, finish_reason=reason)).events
        found += [(event.kind, number, str(event.speaker)) for event in events]
    return found


def told(made: Variant) -> list[tuple[str, int, str]]:
    """What the guard finds in a variant."""
    return findings(made.turns, made.changed if made.kind is Kind.CUT else ())


def made_of(turns: Turns) -> Iterator[Variant]:
    """All variants that rules make of a session."""
    number = variants.place(turns, Speaker.THERAPIST, 0.5)
    yield from (variants.swapped(turns), variants.stripped(turns), variants.cut(turns, number))
    yield from (variants.doubled(turns, number), variants.neutral(turns), variants.longer(turns))
    yield from (variants.praise(turns), variants.instruction(turns))


def alike(listed: list[WrittenSession]) -> Iterator[tuple[float, str, str]]:
    """Similarity of every pair of sessions, with their ids."""
    sketches = {session.id: sketch(text for _, text in session.turns) for session in listed}
    for one, other in combinations(sketches, 2):
        yield likeness(sketches[one], sketches[other]), one, other


def personas() -> dict[str, Persona]:
    return {persona.id: persona for persona in load("all", [persona_dir()])}


def gained(turns: Turns, persona: Persona) -> float:
    """The change of the patient's trust over these turns."""
    ears, state = Listener(persona.language, persona.conceptualization.core_beliefs), initial(persona)
    for (_, heard), (speaker, said) in pairwise(turns):
        if speaker is Speaker.THERAPIST:
            state = step(state, ears.hear(heard, said), persona)
    return state.trust - persona.start.trust


if __name__ == "__main__":
    main()
