"""Have a judge answer the questions of rubrics about the sessions of a run or a sweep.

  python -m harness judge outputs/latest                        the safety gate, by the small model
  python -m harness judge outputs/latest rubric=safety-gate,alliance judge.model.path=FOLDER repeats=3
  python -m harness judge outputs/latest rubric=all judge.engine=openai judge.engine.base_url=http://127.0.0.1:8000/v1
  python -m harness judge outputs/sweep-DATE --plan             requests, tokens and money; asks nothing
  python -m harness judge outputs/latest rubric=alliance --rescore     derive the scores again; asks nothing

Writes judgements.jsonl (the answers), scores.jsonl, gates.jsonl and certificate.json to the run folder, and its report
again. The same command continues interrupted judging; no answered question is asked again.

Exit codes: 0 all items have an answer or a reason; 1 some requests failed; 2 a mistake in settings or rubrics; 3 no
engine; 130 interrupted. Scores are not clinical evidence; do not rely on items that are not certified.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import startup
from harness.text.visible import say

if TYPE_CHECKING:
    from harness.judges.cost import Cost
    from harness.judges.start import Prepared

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN|SWEEP", help="the folder of a run or a sweep")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="settings of conf/judging.yaml; later ones win"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="estimate requests, tokens and money, and ask nothing")
    what.add_argument("--rescore", action="store_true", help="derive scores again from recorded answers")
    what.add_argument("--cfg", choices=["job"], help="print the resolved settings and judge nothing")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="your own config files; they come first")


def main(args: argparse.Namespace) -> int:
    if not (args.cfg or args.plan or args.rescore):
        startup.announce("reading the sessions")
    from harness.comparison.runs import run_folders
    from harness.config.judging import load
    from harness.errors import ConfigError
    from harness.report.write import write_report
    from harness.runs.judging import judge_folders, prepared_judge

    if "=" in str(args.folder) and not args.folder.exists():
        raise ConfigError(f"{args.folder}: expected the folder of a run or a sweep before the settings")
    config = load(args.overrides, args.config_dir)
    if args.cfg:
        import yaml

        say(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True), end="")
        return 0
    folders = run_folders(args.folder)
    prepared = prepared_judge(config)
    if args.plan:
        return _plan(folders, prepared)
    from harness.cli.judging_reporter import JudgingReporter

    with JudgingReporter() as reporter:
        results, interrupted = judge_folders(folders, prepared, reporter, rescore=args.rescore)
    for result in results:
        reporter.result(result)
        write_report(result.folder)
    if interrupted is not None:
        words = ["python", "-m", "harness", "judge", str(args.folder), *args.overrides]
        say(f"go on with: {shlex.join(words)}", file=sys.stderr)
        return 130
    return 1 if any(result.failed for result in results) else 0


def _plan(folders: "Sequence[Path]", prepared: "Prepared") -> int:
    from harness.judges.cost import Cost
    from harness.runs.judging import estimates

    total = Cost()
    for folder, what, cost in estimates(folders, prepared):
        say(f"{folder}: {cost.subjects} {what}, {cost.windows} windows, {_shown(cost)}")
        total += cost
    say(f"in all: {_shown(total)}")
    dollars = total.dollars(prepared.config.judge.price)
    say(
        f"at most {dollars:.2f} US dollars"
        if dollars is not None
        else "price: not known; set judge.price.prompt and judge.price.completion (US dollars per million tokens)"
    )
    return 0


def _shown(cost: "Cost") -> str:
    left = cost.requests - cost.recorded
    shared = (
        f" ({cost.shared_tokens / cost.prompt_tokens:.0%} of them in shared prefixes)" if cost.prompt_tokens else ""
    )
    return (
        f"{left} requests to send ({cost.recorded} already recorded), {cost.prompt_tokens} prompt tokens{shared}, "
        f"at most {cost.completion_tokens} completion tokens"
    )
