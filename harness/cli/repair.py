"""Take out of a run's journal what is damaged, so that the run can be resumed; says what is lost.

Of a sweep it writes a damaged sweep.json again, from the runs of its points; a point's own journal is mended by its folder.

  python -m harness repair outputs/NAME-DATE

A journal whose last line is torn, or ends in a hole after a power cut, needs no repair: `resume` mends that. Files that
derive from the journal are written again. What was there before is kept beside them as NAME.damaged.
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
    say("\n".join(lines) if lines else f"{args.run_dir}: {what} is whole; nothing was changed")
    if lines:
        say(f"go on with: {resume_command(args.run_dir)}")
    return 0
