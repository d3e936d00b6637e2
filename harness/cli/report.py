"""Write report.html of a run or a sweep again, and metrics.json of a run if it is missing.

python -m harness report outputs/NAME-DATE
python -m harness report outputs/sweep-DATE
"""

import argparse
from pathlib import Path

from harness.text.visible import one_line, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN|SWEEP", help="the folder of a run or a sweep")
    parser.add_argument("--metrics", action="store_true", help="also compute metrics.json again from sessions.jsonl")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")


def main(args: argparse.Namespace) -> int:
    from harness.comparison.runs import run_folders
    from harness.judges.patients import PatientVerdicts
    from harness.report.sweep import write_sweep_report
    from harness.report.write import write_report
    from harness.store.metrics import write_metrics
    from harness.sweeps.record import is_sweep

    folder: Path = args.folder
    one = (folder / "sessions.jsonl").exists() or (folder / "run.json").exists()
    for run in [folder] if one else run_folders(folder):
        if not one and not (run / "run.json").exists():
            continue  # a point that has not started
        if args.metrics or not (run / "metrics.json").exists():
            write_metrics(run, trusted=args.trust_remote_code, amend=PatientVerdicts(run).metrics)
        say(one_line(str(write_report(run))))
    if not one and is_sweep(folder):
        say(one_line(str(write_sweep_report(folder))))
    return 0
