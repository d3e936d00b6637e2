"""Compare the settings of a sweep, or of several runs: differences of each metric, paired by persona and seed.

  python -m harness compare outputs/sweep-DATE
  python -m harness compare outputs/truncate outputs/hybrid --baseline truncate --all
  python -m harness compare outputs/sweep-DATE --by context
  python -m harness compare outputs/sweep-DATE --markdown comparison.md --json=-
  python -m harness compare outputs/sweep-DATE --html comparison.html

A setting is the config values in which the runs differ, such as therapist=act or context.policy=hybrid. Runs that
differ only in seeds or personas are one setting. Exit code 2, with every reason, if the runs can't be compared.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import numbers
from harness.text.visible import say

if TYPE_CHECKING:
    from harness.comparison.comparison import Comparison
    from harness.comparison.runs import RunData

STDOUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a sweep folder, or run folders")
    parser.add_argument(
        "--by", metavar="KEY", help="in a grid: compare the values of this key, averaged over all others"
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="the setting that the others are compared with; default: the first"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every metric, not only the main ones")
    which.add_argument("--metric", action="append", metavar="NAME", help="only this metric; may be repeated")
    parser.add_argument(
        "--judge",
        metavar="NAME",
        help="whose scores, if a run has several judges; `all`: medians of scores, majorities of gates",
    )
    parser.add_argument("--uncertified", action="store_true", help="also test scores that are not certified")
    parser.add_argument(
        "--allow-unfinished", action="store_true", help="compare the finished sessions of unfinished runs"
    )
    parser.add_argument("--seed", type=numbers.seed, default=0, metavar="N", help="of the bootstrap; default: 0")
    for form in ("markdown", "csv", "json", "html"):
        parser.add_argument(
            f"--{form}",
            nargs="?",
            type=Path,
            const=STDOUT,
            metavar="FILE",
            help=f"write {form.upper() if form != 'markdown' else 'Markdown'} to a file, or to standard output",
        )


def main(args: argparse.Namespace) -> int:
    from harness.comparison.catalogue import HEADLINES
    from harness.comparison.comparison import compare
    from harness.comparison.output import terminal, to_csv, to_json, to_markdown, to_terminal
    from harness.comparison.runs import invalid_sessions, read_runs
    from harness.errors import ComparisonError
    from harness.report.compared import comparison_page

    forms: dict[str, Callable[[Comparison, Comparison | None], str]] = {
        "markdown": _beside(to_markdown),
        "csv": _beside(to_csv),
        "json": to_json,
        "html": comparison_page,
    }
    targets: dict[str, Path] = {form: path for form in forms if (path := getattr(args, form)) is not None}
    if list(targets.values()).count(STDOUT) > 1:
        raise ComparisonError("only one of --markdown, --csv, --json and --html can go to standard output; give files")
    for form, path in targets.items():
        if path.is_dir():
            raise ComparisonError(f"--{form}: {path} is a folder; put folders before it, or write --{form}=-")
    names = None if args.all else args.metric or HEADLINES
    runs = read_runs(args.folders, allow_unfinished=args.allow_unfinished, judge=args.judge)
    if len(runs) == 1:
        raise ComparisonError(f"{runs[0].path}: a single run can't be compared; give several runs, or a sweep folder")
    how: dict[str, Any] = {
        "baseline": args.baseline,
        "names": names,
        "by": args.by,
        "seed": args.seed,
        "uncertified": args.uncertified,
    }
    comparison = compare(runs, **how)
    invalid = invalid_sessions(runs)
    valid = compare([run.without_invalid() for run in runs], **how) if 0 < invalid < _sessions(runs) else None
    for form, path in targets.items():
        _put(forms[form](comparison, valid), path)
    if STDOUT not in targets.values():
        to_terminal(comparison, terminal())
        if valid is not None:
            say(f"\nThe same without the {invalid} of {_sessions(runs)} sessions whose patient was invalid:\n")
            to_terminal(valid, terminal())
    return 0


def _beside(form: "Callable[[Comparison], str]") -> "Callable[[Comparison, Comparison | None], str]":
    """`form` for all sessions, then for those without invalid patients, if there are any to leave out."""
    return lambda every, valid: form(every) + (f"\n\n{form(valid)}" if valid is not None else "")


def _sessions(runs: "Sequence[RunData]") -> int:
    return sum(len(run.sessions) for run in runs)


def _put(text: str, path: Path) -> None:
    """Write to the file, or to standard output. Raises `StorageError` if the file can't be written."""
    from harness.store.files import storage_error, write_whole

    if path == STDOUT:
        sys.stdout.write(text)
        return
    try:
        write_whole(path, text.encode(), durable=False)
    except OSError as error:
        raise storage_error(path, "write", error, "give another file") from error
