"""Go on with an interrupted run or sweep, in the same folder and under the same config.

Every session goes on from its last whole turn; finished ones are left as they are. Of a sweep, what is left of every
point is played, with the launcher that the sweep was started with.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="DIR", help="the folder of the run or sweep")
    parser.add_argument("--retry-failed", action="store_true", help="play the failed sessions on, too")


def main(args: argparse.Namespace) -> int:
    from harness.sweep.record import is_sweep

    if is_sweep(args.run_dir):
        from harness.sweep import resume_sweep

        return resume_sweep(args.run_dir, retry_failed=args.retry_failed)
    from harness.cli.progress import Display
    from harness.execute import resume

    return resume(args.run_dir, Display(), retry_failed=args.retry_failed).exit_code
