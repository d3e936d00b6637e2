"""How long patients' turns are with a length profile, and without one.

    python scripts/bench/lengths.py [--engine dry] [--profile typed-average] [--exchanges 12] [KEY=VALUE ...]

Plays some personas twice with the same seeds, with `patient.profile=PROFILE` and with `off`, and prints the Wasserstein
distance of the turns' lengths from the profile's own distribution. Bound: BOUND words with the profile; without it the
distance must be larger. Exit code 1 if either does not hold.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from harness.agents.profile import QUANTILES, SCALE, chosen, quantile
from harness.cli.reporter import TerminalReporter
from harness.config.compose import load
from harness.fidelity.reference import STEPS, wasserstein
from harness.paths import persona_dir
from harness.personas.library import find
from harness.personas.schema import Profile
from harness.runs.single import execute
from harness.store.records import read_sessions
from harness.text.words import words
from harness.types import Speaker

BOUND = 6.0
PERSONAS = 6


def main() -> int:
    """Play, print, and check the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="dry")
    parser.add_argument("--profile", default="typed-average")
    parser.add_argument("--exchanges", type=int, default=12)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    profile = chosen(options.profile, Profile())
    if profile is None:
        parser.error("--profile: name a profile; off is always played too")
    ids = sorted(find([persona_dir()]))
    common = [
        f"personas=[{','.join(ids[:: len(ids) // PERSONAS][:PERSONAS])}]",
        *(f"engine={options.engine}", f"max_exchanges={options.exchanges}", *options.overrides),
    ]
    scale, points = SCALE[profile.length], QUANTILES[profile.channel]
    wanted = [scale * quantile(points, (step + 0.5) / STEPS) for step in range(STEPS)]
    found = {}
    for name in (options.profile, "off"):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder, "run")
            execute(load([*common, f"patient.profile={name}", f"run.dir={run}"]), TerminalReporter())
            lengths = sorted(
                len(words(turn.text))
                for session in read_sessions(run / "sessions.jsonl")
                for turn in session.turns
                if turn.speaker is Speaker.PATIENT
            )
        found[name] = wasserstein(lengths, wanted)
        middle = lengths[len(lengths) // 2]
        print(
            f"patient.profile={name}: {len(lengths)} turns, median {middle} words, {found[name]:.2f} words from the profile"
        )
    held = found[options.profile] <= BOUND < found["off"]
    print(f"bound: {BOUND} words with the profile, more without: {'held' if held else 'NOT HELD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
