"""Query runs in SQL, with the tables sessions, turns, events and scores.

  python -m harness sql outputs/latest "select persona_id, avg(completion_tokens) from turns group by 1"
  python -m harness sql outputs/a outputs/b tables "select run, count(*) from sessions group by run" --csv

Folders are runs, sweeps, or the output of `python -m harness export --format parquet` (faster for many queries).
`metrics` and `meta` are JSON: metrics->>'$.therapist.question_rate'. Nothing can be written.
"""

import argparse
from pathlib import Path

from harness.text.visible import csv_cell, one_line, say, visible, visible_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="folders of runs, sweeps or tables")
    parser.add_argument("question", metavar="SQL")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV")
    form.add_argument("--json", action="store_true", help="print one JSON object per row")


def main(args: argparse.Namespace) -> int:
    import csv
    import json
    import sys

    from harness.exports.sql import ask

    answer = ask(args.folders, args.question)
    if args.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([csv_cell(value) for value in row] for row in (answer.columns, *answer.rows))
    elif args.json:
        for row in answer.rows:
            row_json = json.dumps(dict(zip(answer.columns, row, strict=True)), ensure_ascii=False, default=str)
            say(visible_json(row_json))
    else:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        table = Table(*(escape(one_line(column)) for column in answer.columns))
        for row in answer.rows:
            table.add_row(*(Text("" if value is None else visible(str(value))) for value in row))
        Console().print(table)
    return 0
