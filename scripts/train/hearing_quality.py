#!/usr/bin/env python
"""Whether good written sessions rank above the others, with weights that were not trained on them.

    python scripts/train/hearing_quality.py [--mibot FOLDER]

Five folds by persona, as in hearing.py: each session is heard with weights trained without its persona, by the patient
it was written for. Prints the AUC of good against mediocre, poor and faulty sessions for the change of trust per
exchange and for every measure of the therapist; the same with the shipped weights, which were trained on all sessions;
the same for the sessions of examples/held_out, which no weights were trained on; and the sessions by trust. Limits,
calibration, and the rules (cues, state) were made with knowledge of the sessions; docs/metrics.md says of which.
"""

import argparse
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import hearing
import numpy as np
from hearing_data import lines, mibot, sessions

from harness.agents.appraisal import Listener
from harness.agents.inner_state import initial, step
from harness.audit.agreement.statistics import area
from harness.audit.written import WrittenSession, written_sessions
from harness.hearing.acts import ACTS
from harness.hearing.model import Model, model
from harness.metrics.session import session_metrics
from harness.paths import persona_dir
from harness.personas.library import load
from harness.types import Speaker, Turn

HELD_OUT = hearing.ROOT / "examples" / "held_out"
OTHERS = ("mediocre", "poor", "fault")
Measured = Mapping[str, float | None]


def left_out_models(folder: Path | None) -> dict[str, Model]:
    """For each session, the model of the fold that left its persona out."""
    single = list(lines(Path(__file__).with_name("hearing_lines.txt")))
    if folder:
        single += mibot(folder)
    turns = [turn for _, labelled in sessions(hearing.ROOT / "examples" / "sessions") for turn in labelled]
    rarity = hearing.rarity_of([*(row.heard for row in single), *(turn.heard for turn in turns)])
    settings = hearing.evaluate(single, turns, rarity)
    slopes, shifts, limits = map(np.array, zip(*[settings[act] for act in ACTS], strict=True))
    of = hearing.folds([row.group for row in single] + [turn.persona for turn in turns])
    found: dict[str, Model] = {}
    for fold in range(hearing.FOLDS):
        trained = hearing.Trained(
            [row for row in single if of[row.group] != fold],
            rarity,
            [turn for turn in turns if of[turn.persona] != fold],
        )
        weights = trained.weights * slopes
        weights[-1] += shifts
        made = Model.of(list(trained.rows), weights, limits.tolist(), rarity)
        found |= {turn.session: made for turn in turns if of[turn.persona] == fold}
    return found


def measured(session: WrittenSession, heard_with: Model) -> Measured:
    """Change of trust per exchange, and the therapist's measures."""
    ears = importlib.import_module("harness.hearing.hear")
    ears._hear.cache_clear()
    said = list(zip(session.patient, session.therapist, strict=True))
    with patch.object(ears, "model", lambda: heard_with):
        persona = load([session.persona], [persona_dir()])[0]
        state = begun = initial(persona)
        listener = Listener(persona.language, persona.conceptualization.core_beliefs)
        for patient, therapist in said:
            state = step(state, listener.hear(patient, therapist), persona)
        texts = [(speaker, text) for pair in said for speaker, text in zip(Speaker, pair, strict=True)]
        metrics = session_metrics([Turn(index, speaker, text) for index, (speaker, text) in enumerate(texts)])
    numbers = {name: value for name, value in metrics["therapist"].items() if value is None or isinstance(value, float)}
    return {"trust_per_exchange": (state.trust - begun.trust) / len(said), **numbers}


def ranks(every: Sequence[WrittenSession], values: Sequence[Measured], name: str, other: str | None) -> float:
    """AUC of good sessions against all others, or those of one quality; those without a value are left out."""
    told = [
        (session.quality == "good", value)
        for session, one in zip(every, values, strict=True)
        if (value := one[name]) is not None and (other is None or session.quality in ("good", other))
    ]
    flags, numbers = zip(*told, strict=True)
    return area(np.array(flags), np.array(numbers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mibot", type=Path)
    held_out = left_out_models(parser.parse_args().mibot)
    every = written_sessions()
    ways: list[tuple[str, Sequence[WrittenSession], Callable[[WrittenSession], Model]]] = [
        ("left out", every, lambda session: held_out[session.id]),
        ("as shipped", every, lambda _: model()),
        *(
            (f"held out {folder.name}", written_sessions(folder), lambda _: model())
            for folder in sorted(HELD_OUT.iterdir())
        ),
    ]
    for way, told, choose in ways:
        values = [measured(session, choose(session)) for session in told]
        print(f"{way:24}{'all':>8}" + "".join(f"{other:>10}" for other in OTHERS))
        for name in values[0]:
            cells = [ranks(told, values, name, other) for other in (None, *OTHERS)]
            print(f"  {name:22}{cells[0]:8.3f}" + "".join(f"{cell:10.3f}" for cell in cells[1:]))
        order = sorted(zip(told, values, strict=True), key=lambda pair: pair[1]["trust_per_exchange"] or 0.0)
        print("\n".join(f"    {one['trust_per_exchange']:+.4f} {session.id}" for session, one in order))


if __name__ == "__main__":
    main()
