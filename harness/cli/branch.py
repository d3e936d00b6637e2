"""Continue sessions of a run from some of their turns, with the same or other settings, the same patient and seeds.

  python -m harness branch outputs/latest --turn 20 --k 4
  python -m harness branch outputs/latest two-cups-000 --turn all --k 2 --exchanges 1 therapist.sampling.temperature=1
  python -m harness branch outputs/latest --turn every=4 therapist=mi therapist.model.adapter=checkpoints/step-100

The branches are a new run, for `resume`, `compare` and `export --format dpo`. `compare` pairs branches with the same turn
and number of runs with different settings. Branch 0 has the seed of its parent: with the same settings, it repeats the
parent. See docs/train.md.
"""

import argparse
from pathlib import Path

from harness.cli import startup

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument("words", nargs="*", metavar="SESSION|KEY=VALUE", help="session ids (default: all); settings")
    parser.add_argument("--turn", required=True, metavar="N|all|every=K", help="the first turn that is generated again")
    parser.add_argument("--k", type=int, default=1, metavar="K", help="branches per turn; default: 1")
    parser.add_argument("--exchanges", type=int, metavar="H", help="exchanges per branch; default: to the end")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")


def main(args: argparse.Namespace) -> int:
    startup.announce("reading the run")
    from harness.cli.reporter import TerminalReporter
    from harness.errors import ConfigError
    from harness.runs.branching.points import Points
    from harness.runs.branching.run import prepare_branches
    from harness.runs.single import play

    for option, value in (("--k", args.k), ("--exchanges", args.exchanges)):
        if value is not None and not 1 <= value <= 10_000:
            raise ConfigError(f"{option}: found {value}; expected 1 to 10000")
    run = prepare_branches(
        args.run_dir,
        [word for word in args.words if "=" not in word],
        Points(args.turn),
        variants=args.k,
        exchanges=args.exchanges,
        overrides=[word for word in args.words if "=" in word],
        trusted=args.trust_remote_code,
    )
    return play(run, TerminalReporter()).exit_code
