"""Measure how well repeats, orders and judges agree, item by item.

  python -m harness judge outputs/latest rubric=alliance repeats=5 orders=2
  python -m harness judge-reliability outputs/latest

Intervals are 95%, by resampling personas. `k for 0.8`: number of repeats whose mean has a reliability of 0.8.
"""

import argparse
import dataclasses
import json
import math
from pathlib import Path

from harness.cli import numbers
from harness.text.visible import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN|SWEEP", help="judged runs")
    parser.add_argument("--rubric", action="append", metavar="ID", help="only this rubric; may be repeated")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--seed", type=numbers.seed, default=0, metavar="N", help="seed of the bootstrap; default: 0")


def main(args: argparse.Namespace) -> int:
    from harness.comparison.runs import run_folders
    from harness.errors import JudgeError, did_you_mean
    from harness.judges.reliability import analyse, lines, read_tables

    folders = dict.fromkeys(folder.resolve() for path in args.folders for folder in run_folders(path))
    tables = read_tables(folders)
    known = sorted({table.rubric for table in tables})
    for name in args.rubric or ():
        if name not in known:
            raise JudgeError(f"--rubric: no scores of {name}{did_you_mean(name, known)}; there are {', '.join(known)}")
    tables = [table for table in tables if not args.rubric or table.rubric in args.rubric]
    found = [analyse(table, seed=args.seed) for table in tables]
    if args.json:
        say(json.dumps([plain(dataclasses.asdict(entry)) for entry in found], indent=2))
    else:
        say("\n".join(lines(found)))
    return 0


def plain(value: object) -> object:
    """The value as JSON data; undefined numbers become None."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
