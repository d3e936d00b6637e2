"""Write report.html of a run or of a sweep again, and metrics.json of a run where there is none.

python -m harness report outputs/NAME-DATE
python -m harness report outputs/sweep-DATE
"""

import argparse
from pathlib import Path

from harness.visible import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of a run or of a sweep")
    parser.add_argument("--metrics", action="store_true", help="also compute metrics.json again from sessions.jsonl")


def main(args: argparse.Namespace) -> int:
    from harness.report import write_report, write_sweep_report
    from harness.sweeps.record import is_sweep

    folder: Path = args.folder
    if not is_sweep(folder) or (folder / "run.json").exists():
        _measure(folder, again=args.metrics)
        print(one_line(str(write_report(folder))))
        return 0
    for run in sorted(file.parent for file in folder.glob("*/run.json")):
        _measure(run, again=args.metrics)
        write_report(run)
    print(one_line(str(write_sweep_report(folder))))
    return 0


def _measure(run_dir: Path, *, again: bool) -> None:
    from harness.store.metrics import write_metrics

    if again or not (run_dir / "metrics.json").exists():
        write_metrics(run_dir)
