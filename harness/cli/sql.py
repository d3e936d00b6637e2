"""Query runs in SQL, with the tables sessions, turns, events and scores.

  python -m harness sql outputs/latest "select persona_id, avg(completion_tokens) from turns group by 1"
  python -m harness sql outputs/a outputs/b tables "select run, count(*) from sessions group by run" --csv

Folders are runs, sweeps, or the output of `python -m harness export --format parquet` (faster for many queries).
`metrics` and `meta` are JSON: metrics->>'$.therapist.question_rate'. Nothing can be written.
"""

import argparse
import math
from decimal import Decimal
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

    from harness.errors import ConfigError
    from harness.exports.sql import ask

    answer = ask(args.folders, args.question)
    if args.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([csv_cell(value) for value in row] for row in (answer.columns, *answer.rows))
    elif args.json:
        if twice := next((name for name in answer.columns if answer.columns.count(name) > 1), None):
            raise ConfigError(
                f"sql: two columns are called {twice!r}, which one JSON object can't hold; rename one with AS"
            )
        for row in answer.rows:
            fields = {name: _plain(value) for name, value in zip(answer.columns, row, strict=True)}
            say(visible_json(json.dumps(fields, ensure_ascii=False, default=str)))
    else:
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        from harness.text.console import Results

        table = Table(*(escape(one_line(column)) for column in answer.columns))
        for row in answer.rows:
            table.add_row(*(Text("" if value is None else visible(str(value))) for value in row))
        Results().print(table)
    return 0


def _plain(value: object) -> object:
    """The value as JSON data: a decimal is a number, and one that is not finite is null."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Decimal):
        value = float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
