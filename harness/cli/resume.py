"""Go on with an interrupted run, in the same folder and under the same config.

Every session goes on from its last whole turn; finished ones are left as they are.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of the run")
    parser.add_argument("--retry-failed", action="store_true", help="play the failed sessions on, too")


def main(args: argparse.Namespace) -> int:
    from harness.cli.progress import Display
    from harness.execute import resume

    return resume(args.run_dir, Display(), retry_failed=args.retry_failed).exit_code
