"""Take out of a run's journal what is damaged, so that the run can be resumed; says what is lost.

  python -m harness repair outputs/NAME-DATE

A journal whose last line is torn, or ends in a hole after a power cut, needs no repair: `resume` mends that. Files that
derive from the journal are written again. What was there before is kept beside them as NAME.damaged.
"""

import argparse
from pathlib import Path

from harness.text.visible import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")


def main(args: argparse.Namespace) -> int:
    from harness.runs.single import resume_command
    from harness.store.repair import repair

    lines = repair(args.run_dir)
    say("\n".join(lines) if lines else f"{args.run_dir}: the journal is whole; nothing was changed")
    if lines:
        say(f"go on with: {resume_command(args.run_dir)}")
    return 0
