"""Remove damaged lines from the journal of a run, so that it can be resumed, and say what is lost.

For a sweep, a damaged sweep.json is written again from the runs of its points. For the journal of a point, give the
folder of the point.

  python -m harness repair outputs/NAME-DATE

A journal with an incomplete last line, or with a hole at its end after a power failure, needs no repair: `resume` fixes
it. Files that derive from the journal are written again. The old files are kept as NAME.damaged.
"""

import argparse
from pathlib import Path

from harness.text.visible import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="DIR", help="the folder of a run or a sweep")


def main(args: argparse.Namespace) -> int:
    from harness.runs.single import resume_command
    from harness.store.repair import repair
    from harness.sweeps.repair import looks_like_sweep, repair_sweep

    is_sweep = looks_like_sweep(args.run_dir)
    lines = repair_sweep(args.run_dir) if is_sweep else repair(args.run_dir)
    what = "sweep.json" if is_sweep else "the journal"
    say("\n".join(lines) if lines else f"{args.run_dir}: {what} is not damaged; nothing was changed")
    if lines:
        say(f"go on with: {resume_command(args.run_dir)}")
    return 0
