"""Writes a comparison to the terminal, and as Markdown, CSV and JSON."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from harness.comparison.bootstrap import LEVEL, Estimate
from harness.comparison.catalogue import MARK
from harness.comparison.comparison import ALPHA, Comparison, Difference, Row, Verdict
from harness.comparison.words import difference_shown, findings, mean_shown, pairs_shown, sentence
from harness.text.visible import csv_cell, one_line, visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

METHOD = (
    "[a, b]: 95% confidence interval (symmetric bootstrap-t). A difference is the setting minus the baseline, paired "
    "by persona and seed; * means significant at 5% after correction for all comparisons (Benjamini-Hochberg): "
    f"docs/compare.md. {MARK} means poor agreement with people who coded the same turns: docs/metrics.md. "
    "Simulations for engineering and research: not clinical evidence."
)
_WIDTH_WITHOUT_TERMINAL = 200
_WIDTH_OF_TABLE = 120
"""Columns of the terminal; with fewer, cells of the table would wrap."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_Cells = tuple[str, str, str, str, str, str]


def to_terminal(comparison: Comparison, console: "Console") -> None:
    """Print a table: plain text if the console is no terminal, lines for each metric if the table is too wide."""
    from rich.text import Text

    def say(text: str) -> None:
        console.print(Text(one_line(text)), soft_wrap=True)

    for line in _head(comparison):
        say(line)
    say("")
    if console.width < _WIDTH_OF_TABLE:
        for line in _narrow(comparison):
            say(line)
    else:
        _print_table(comparison, console)
    say("")
    for line in findings(comparison):
        say(f"- {line}")
    say("")
    say(METHOD)


def _narrow(comparison: Comparison) -> Iterator[str]:
    """The table for narrow terminals: a line for each metric, and below it a line for each setting."""
    lines = {row.metric.name: [cells[2:] for cells in _cells(row, comparison)] for row in comparison.rows}
    titles = _titles(comparison)[2:]
    every = [titles, *(cells for rows in lines.values() for cells in rows)]
    widths = [max(len(cells[column]) for cells in every) for column in range(len(titles))]

    def aligned(cells: Sequence[str]) -> str:
        return "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()

    yield aligned(titles)
    for group, rows in groupby(comparison.rows, key=lambda row: row.metric.group):
        yield from ("", group)
        for row in rows:
            wanted = f" (wanted: {row.metric.wanted})" if row.metric.wanted else ""
            yield f"{row.metric.label}{wanted}"
            yield from map(aligned, lines[row.metric.name])


def _print_table(comparison: Comparison, console: "Console") -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for title in _titles(comparison):
        table.add_column(Text(one_line(title)), overflow="fold")
    for group, rows in groupby(comparison.rows, key=lambda row: row.metric.group):
        table.add_row(Text(one_line(group)), style="bold underline")
        for row in rows:
            for cells in _cells(row, comparison):
                table.add_row(
                    *(Text(one_line(cell)) for cell in cells), style="bold" if cells[4].endswith("*") else None
                )
        table.add_section()
    console.print(table)


def terminal() -> "Console":
    """A console on standard output; wide enough for the table if that is no terminal."""
    from harness.text.console import Results

    console = Results(highlight=False)
    return console if console.is_terminal else Results(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


def to_markdown(comparison: Comparison) -> str:
    """A Markdown page: settings and notes, findings, the table, the method."""
    titles = _titles(comparison)
    lines = ["# Comparison", "", *(f"{_escaped(line)}  " for line in _head(comparison)), ""]
    lines += [f"- {_escaped(line)}" for line in findings(comparison)]
    lines += ["", _table_row(titles), _table_row(["---"] * len(titles))]
    lines += [_table_row(cells) for row in comparison.rows for cells in _cells(row, comparison)]
    return "\n".join([*lines, "", _escaped(METHOD), ""])


def to_csv(comparison: Comparison) -> str:
    """One line for each metric and setting. Numbers are as measured, shares in [0, 1]. No cell is a formula."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in record.items()} for record in _records(comparison))
    return file.getvalue()


def to_json(comparison: Comparison, without_invalid: Comparison | None = None) -> str:
    """Everything as JSON, with a sentence for each difference.

    `without_invalid` is the same comparison without the sessions whose patient is invalid; None if there are none.
    """
    content = _content(comparison)
    if without_invalid is not None:
        content["without_invalid"] = _content(without_invalid)
    return visible_json(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def _content(comparison: Comparison) -> dict[str, Any]:
    return {
        "baseline": comparison.baseline.name,
        "settings": [
            {
                "name": setting.name,
                "keys": setting.keys,
                "runs": [visible(str(run.path)) for run in setting.runs],
                "sessions": len(setting.sessions),
                "failed": setting.failed,
            }
            for setting in comparison.settings
        ],
        "notes": comparison.notes,
        "method": {
            "interval": "symmetric bootstrap-t",
            "level": LEVEL,
            "unit": comparison.unit,
            "resamples": comparison.resamples,
            "seed": comparison.seed,
            "correction": "benjamini-hochberg",
            "alpha": ALPHA,
            "comparisons": comparison.comparisons,
        },
        "metrics": [_metric(row, comparison) for row in comparison.rows],
        "gates": [{**asdict(rate), "words": rate.words} for rate in comparison.gates],
        "findings": list(findings(comparison)),
    }


def _head(comparison: Comparison) -> Iterator[str]:
    for setting in comparison.settings:
        mark = " (baseline)" if setting is comparison.baseline else ""
        yield f"{setting.name}{mark}: {setting.described}; {len(setting.sessions)} sessions"
    yield from (f"note: {note}" for note in comparison.notes)


def _titles(comparison: Comparison) -> _Cells:
    return ("metric", "wanted", "setting", "mean [95%]", f"minus {comparison.baseline.name} [95%]", "pairs")


def _cells(row: Row, comparison: Comparison) -> Iterator[_Cells]:
    """A line of the table for each setting; only the first has the metric's name."""
    differences = {difference.setting: difference for difference in row.differences}
    for number, mean in enumerate(row.means):
        name, wanted = (row.metric.label, row.metric.wanted or "") if number == 0 else ("", "")
        difference = differences.get(mean.setting)
        shown, pairs = "", ""
        if difference:
            mark = " *" if difference.verdict is Verdict.DIFFERENT else ""
            shown = difference_shown(row.metric, difference.estimate) + mark
            pairs = pairs_shown(difference, comparison.unit).replace(" pairs", "").replace(" pair", "")
        yield (name, wanted, mean.setting, mean_shown(row.metric, mean.estimate), shown, pairs)


def _metric(row: Row, comparison: Comparison) -> dict[str, Any]:
    return {
        "name": row.metric.name,
        "label": row.metric.label,
        "group": row.metric.group,
        "wanted": row.metric.wanted,
        "means": [
            {"setting": mean.setting, "sessions": mean.sessions, **_numbers(mean.estimate)} for mean in row.means
        ],
        "differences": [
            {
                "setting": difference.setting,
                "pairs": difference.pairs,
                **_numbers(difference.estimate),
                **_test(difference),
                "verdict": difference.verdict,
                "words": sentence(row, difference, comparison),
            }
            for difference in row.differences
        ],
    }


def _numbers(estimate: Estimate | None) -> dict[str, float | int | None]:
    """`units` is the number of values behind the estimate: sessions or personas."""
    if estimate is None:
        return {"units": 0, "mean": None, "low": None, "high": None}
    low, high = estimate.interval or (None, None)
    return {"units": estimate.n, "mean": estimate.mean, "low": low, "high": high}


def _test(difference: Difference) -> dict[str, float | None]:
    if difference.estimate is None:
        return {"p": None, "p_adjusted": None}
    return {"p": difference.estimate.p, "p_adjusted": difference.p_adjusted}


_COLUMNS = (
    *("metric", "label", "group", "wanted", "setting", "described", "sessions", "mean", "low", "high"),
    *("baseline", "pairs", "difference", "difference_low", "difference_high", "p", "p_adjusted", "verdict", "words"),
)


def _records(comparison: Comparison) -> Iterator[dict[str, object]]:
    described = {setting.name: setting.described for setting in comparison.settings}
    for row in comparison.rows:
        differences = {difference.setting: difference for difference in row.differences}
        for mean in row.means:
            numbers = _numbers(mean.estimate)
            record: dict[str, object] = {
                "metric": row.metric.name,
                "label": row.metric.label,
                "group": row.metric.group,
                "wanted": row.metric.wanted,
                "setting": mean.setting,
                "described": described[mean.setting],
                "sessions": mean.sessions,
                **{key: numbers[key] for key in ("mean", "low", "high")},
            }
            if difference := differences.get(mean.setting):
                of_difference = _numbers(difference.estimate)
                record |= {
                    "baseline": comparison.baseline.name,
                    "pairs": difference.pairs,
                    "difference": of_difference["mean"],
                    "difference_low": of_difference["low"],
                    "difference_high": of_difference["high"],
                    **_test(difference),
                    "verdict": difference.verdict,
                    "words": sentence(row, difference, comparison),
                }
            yield record


def _table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    """One line of Markdown that shows the text as it is, without formatting."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))
