"""Compare judges with people who rated the same sessions.

  python -m harness judge-calibrate outputs/latest ratings.csv
  python -m harness judge-calibrate outputs/latest ratings.csv --split dev     while tuning a judge

The table has the columns session_id,item,rater,value,split. item is RUBRIC/ITEM, value a number or the id of an answer,
split dev or test (empty: test). Tune a judge on dev; only results on test show how good it is.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from harness.text.visible import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN|SWEEP", help="a judged run, or a sweep of them")
    parser.add_argument("ratings", type=Path, metavar="RATINGS.csv")
    parser.add_argument("--split", choices=["dev", "test"], default="test")
    parser.add_argument("--rubric-dir", type=Path, metavar="DIR", help="a folder with your own rubrics")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def main(args: argparse.Namespace) -> int:
    from harness.cli.judge_reliability import plain
    from harness.comparison.runs import run_folders
    from harness.errors import JudgeError
    from harness.judges import library
    from harness.judges.calibration import calibrate, lines, scores_of
    from harness.judges.ratings import read_ratings

    dirs = library.folders(args.rubric_dir)
    rubrics = library.load(sorted(library.find(dirs)), dirs)
    ratings = read_ratings(args.ratings, rubrics)
    scores = scores_of(run_folders(args.folder))
    if not scores:
        raise JudgeError(f"{args.folder}: no scores; judge it first, with `python -m harness judge {args.folder}`")
    found = calibrate(ratings, scores, rubrics, split=args.split)
    if not found:
        raise JudgeError(f"{args.ratings}: none of its sessions and items of split {args.split} was judged")
    if args.json:
        say(
            json.dumps(
                [plain(dataclasses.asdict(entry)) for entry in found], indent=2, default=lambda rate: rate.model_dump()
            )
        )
    else:
        say("\n".join(lines(found)))
        if args.split == "dev":
            say("split dev is for tuning; draw conclusions only from split test")
    return 0
