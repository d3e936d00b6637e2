"""Measure how well the metrics of the therapist agree with people, on transcripts whose turns you have coded.

  python -m harness agree coded.csv
  python -m harness agree outputs/imported --group quality --high good
  python -m harness agree coded.jsonl --json agreement.json
  python -m harness agree coded.csv hearing=model model=llama-3.1-8b

With `hearing=model`, the therapist's model (settings as for `run`) also classifies the turns, many at once. Its results
are shown after those of the harness's small classifier.

A CSV or JSONL file has a line for each turn: session_id, turn, speaker, text, codes (reflection|open_question|advice ...);
other columns can group sessions. A folder must be an imported run with labels.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.text.visible import say

if TYPE_CHECKING:
    from harness.audit.agreement import Agreement
    from harness.audit.agreement.statistics import Estimate


INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV or JSONL of coded turns, or a run folder")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="hearing=model, and settings of that model")
    parser.add_argument(
        "--group", metavar="COLUMN", help="also measure how well each metric distinguishes two groups of sessions"
    )
    parser.add_argument("--high", metavar="VALUE", help="the value of that column for the better sessions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, with intervals, to this file")


def main(args: argparse.Namespace) -> int:
    import orjson

    from harness.audit.agreement import agree, read_coded
    from harness.errors import TranscriptError
    from harness.store.files import storage_error, write_whole

    if (args.group is None) != (args.high is None):
        raise TranscriptError("--group and --high go together: a column, and its value for the better sessions")
    by_model, settings = _hearing(args.settings)
    sessions = read_coded(args.file)
    found = agree(sessions, group=args.group, high=args.high)
    say(f"{found.sessions} sessions, {found.turns} coded therapist turns; [a, b]: 95% interval, by resampling sessions")
    _print_codes(found, "classifier")
    content = {"classifier": found.to_dict()}
    if by_model:
        from harness.audit.agreement.agree import asked
        from harness.audit.agreement.asking import hear_all
        from harness.config.compose import load

        answers = hear_all(load(settings).therapist, asked(sessions))
        model = agree(sessions, hears=lambda text, heard: answers[text, heard])
        say(
            f"\n{sum(map(bool, answers.values()))} of {len(answers)} turns classified by the model; the others are left out"
        )
        _print_codes(model, "model")
        content["model"] = model.to_dict()
    if found.areas:
        say(f"\n{'measure of the therapist':28}AUC for {args.group}={args.high}")
        for name, estimate in found.areas.items():
            say(f"{name:28}{_shown(estimate)}")
    if found.unknown:
        say(f"\ncodes that the harness does not measure: {', '.join(found.unknown)}")
    say("\nFor engineering and research: agreement with your coders is not clinical evidence.")
    if args.json is not None:
        try:
            write_whole(args.json, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise storage_error(args.json, "write", error, "give another file") from error
    return 0


def _hearing(settings: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether a model classifies the turns, and its settings. Raises `ConfigError`."""
    from harness.errors import ConfigError

    chosen = [one.partition("=")[2] for one in settings if one.startswith("hearing=")]
    rest = [one for one in settings if not one.startswith("hearing=")]
    if wrong := [one for one in chosen if one not in ("classifier", "model")]:
        raise ConfigError(f"hearing: found {wrong[0]!r}, expected classifier or model")
    by_model = chosen[-1:] == ["model"]
    if rest and not by_model:
        raise ConfigError(f"{rest[0]}: has no effect without hearing=model; leave it out, or add hearing=model")
    return by_model, rest


def _print_codes(found: "Agreement", name: str) -> None:
    say(f"\n{name:20}{'coded':>7}{'found':>7}  {'precision':22}{'recall':22}{'F1':22}{'kappa':22}{'session rate r':22}")
    for one in found.codes:
        shown = (one.precision, one.recall, one.f1, one.kappa, one.session_rate)
        say(f"{one.code:20}{one.coded:7}{one.found:7}  " + "".join(f"{_shown(each):22}" for each in shown))


def _shown(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "-"
    low_high = "" if estimate.interval is None else " [{:.2f}, {:.2f}]".format(*estimate.interval)
    return f"{estimate.value:.2f}{low_high}"
