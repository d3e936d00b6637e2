"""Write report.html of a run folder again, and its metrics.json where there is none.

python -m harness report outputs/NAME-DATE
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("--metrics", action="store_true", help="also compute metrics.json again from sessions.jsonl")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")


def main(args: argparse.Namespace) -> int:
    from harness.report import write_report
    from harness.store.metrics import write_metrics

    if args.metrics or not (args.run_dir / "metrics.json").exists():
        write_metrics(args.run_dir, trusted=args.trust_remote_code)
    print(write_report(args.run_dir))
    return 0
