"""Write report.html of a run folder again, or of every run of a sweep, and its metrics.json where there is none.

python -m harness report outputs/NAME-DATE
"""

import argparse
from pathlib import Path

from harness.visible import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN|SWEEP", help="the folder of a run or a sweep")
    parser.add_argument("--metrics", action="store_true", help="also compute metrics.json again from sessions.jsonl")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")


def main(args: argparse.Namespace) -> int:
    from harness.comparison.runs import run_folders
    from harness.report import write_report
    from harness.store.metrics import write_metrics

    for folder in [args.run_dir] if (args.run_dir / "sessions.jsonl").exists() else run_folders(args.run_dir):
        if args.metrics or not (folder / "metrics.json").exists():
            write_metrics(folder, trusted=args.trust_remote_code)
        print(one_line(str(write_report(folder))))
    return 0
