"""Write report.html of a run folder again, and its metrics.json where there is none.

python -m harness report outputs/NAME-DATE
"""

import argparse
from pathlib import Path

from harness.cli.run_folder import one_run
from harness.visible import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("--metrics", action="store_true", help="also compute metrics.json again from sessions.jsonl")


def main(args: argparse.Namespace) -> int:
    from harness.report import write_report
    from harness.store.metrics import write_metrics

    run_dir = one_run(args.run_dir)
    if args.metrics or not (run_dir / "metrics.json").exists():
        write_metrics(run_dir)
    print(one_line(str(write_report(run_dir))))
    return 0
