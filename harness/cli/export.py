"""Write training data and tables from runs and sweeps.

  python -m harness export outputs/latest --format sft --out data --split persona=0.9
  python -m harness export outputs/sweep-DATE --format sft --out data --where "metrics.guard.loop is None"
  python -m harness export BRANCHES --format dpo --out pairs --by "scores.mi_coding.empathy" --margin 0.5
  python -m harness export IMPORTED --format sft --out data --where "meta.quality == 'good'" \
      model=smollm2-135m engine.max_model_len=2048
  python -m harness export outputs/latest --format parquet --out tables

{formats}

Rows that would train on a mended, cut-off, empty or role-breaking turn are left out unless --keep asks for them. Imported
sessions have no prompts: KEY=VALUE settings, as of `harness run`, say how they would have been sent. docs/train.md.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.exports.job import Job, Written
    from harness.exports.rows import Fault
    from harness.exports.runs import ExportedRun

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from harness.config.plugins import EXPORTERS

    parser.description = (__doc__ or "").format(formats=f"Formats: {', '.join(EXPORTERS.names())}")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN|SWEEP|KEY=VALUE", help="folders; settings for imported sessions"
    )
    parser.add_argument("--format", required=True, metavar="NAME", help=", ".join(EXPORTERS.names()))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--side", choices=["therapist", "patient"], help="whose turns are learnt; default: therapist")
    parser.add_argument("--where", metavar="EXPR", help="only rows for which it holds")
    parser.add_argument("--split", metavar="persona=SHARE", help="hold out the personas above that share as test.jsonl")
    parser.add_argument("--keep", metavar="FAULT,...", help="mended, cut_off, empty, role_break, or all")
    parser.add_argument("--by", metavar="EXPR", help="dpo: more of it is better; default: reward")
    parser.add_argument("--margin", type=float, metavar="X", help="dpo: pairs differ by more than this; default: 0")
    parser.add_argument("--label", metavar="EXPR", help="kto: what makes a turn good")
    parser.add_argument("--licence", metavar="ID", help="of what models of yours said, for the card")


def main(args: argparse.Namespace) -> int:
    from harness.config.plugins import EXPORTERS, load_plugins
    from harness.exports.runs import open_runs

    load_plugins()
    form = EXPORTERS.get(args.format)
    settings = [word for word in args.runs if "=" in word and not Path(word).exists()]
    runs = open_runs([Path(word) for word in args.runs if word not in settings])
    _refuse_unused(args, form.takes, settings)
    job = _job(args, runs, settings)
    _print(form.write(job), args.out)
    return 0


def _refuse_unused(args: argparse.Namespace, takes: "Collection[str]", settings: list[str]) -> None:
    from harness.errors import ConfigError

    given = {"faults": args.keep, "overrides": settings or None}
    given |= {name: getattr(args, name) for name in ("split", "by", "margin", "label", "side", "where")}
    for name, value in given.items():
        if value is not None and name not in takes:
            shown = {"faults": "--keep", "overrides": settings[0] if settings else ""}.get(name, f"--{name}")
            raise ConfigError(f"{shown}: has no effect with --format {args.format}")


def _job(args: argparse.Namespace, runs: "list[ExportedRun]", settings: list[str]) -> "Job":
    from harness.exports.job import Job
    from harness.exports.rows import Wanted
    from harness.exports.split import split_of
    from harness.exports.where import Where
    from harness.store.records import read_sessions
    from harness.types import Speaker

    wanted = Wanted(Speaker(args.side or "therapist"), Where(args.where) if args.where else None, _faults(args.keep))
    split = None
    if args.split is not None:
        files = [run.path / "sessions.jsonl" for run in runs]
        split = split_of(args.split, {line.persona_id for file in files for line in read_sessions(file)})
    return Job(
        runs,
        args.out,
        wanted,
        settings,
        split,
        Where(args.by, "--by") if args.by else None,
        args.margin or 0.0,
        Where(args.label, "--label") if args.label else None,
        args.licence,
    )


def _faults(text: str | None) -> "tuple[Fault, ...]":
    from harness.errors import ConfigError
    from harness.exports.rows import Fault

    if text == "all":
        return tuple(Fault)
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    for word in words:
        if word not in list(Fault):
            raise ConfigError(f"--keep: {word!r}: expected {', '.join(Fault)}, or all")
    return tuple(Fault(word) for word in words)


def _print(written: "Written", out: Path) -> None:
    for name, rows in written.files.items():
        print(f"{out / name}: {rows} {written.unit}")
    for reason, number in sorted(written.left_out.items()):
        print(f"left out: {number} ({reason})")
    for note in written.notes:
        print(note)
