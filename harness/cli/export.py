"""Write training data and tables from runs and sweeps.

  python -m harness export outputs/latest --format sft --out data --split persona=0.9
  python -m harness export outputs/sweep-DATE --format sft --out data --where "metrics.guard.loop is None"
  python -m harness export BRANCHES --format dpo --out pairs --by "scores.mi_coding.empathy" --margin 0.5
  python -m harness export IMPORTED --format sft --out data --where "meta.quality == 'good'" \\
      model=smollm2-135m engine.max_model_len=2048
  python -m harness export outputs/latest --format parquet --out tables

{formats}

Rows that would train on a mended, cut-off, empty or role-breaking turn are left out; --keep includes them. Imported
sessions have no prompts: KEY=VALUE settings, as for `python -m harness run`, define how prompts are built. See
docs/train.md.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.text.visible import say

if TYPE_CHECKING:
    from harness.exports.job import Written

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from harness.config.plugins import EXPORTERS

    parser.description = (__doc__ or "").format(formats=f"Formats: {', '.join(EXPORTERS.names())}")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN|SWEEP|KEY=VALUE", help="folders; settings for imported sessions"
    )
    parser.add_argument("--format", required=True, metavar="NAME", help=", ".join(EXPORTERS.names()))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--side", choices=["therapist", "patient"], help="whose turns are trained on; default: therapist"
    )
    parser.add_argument("--where", metavar="EXPR", help="only rows for which it is true")
    parser.add_argument("--split", metavar="persona=SHARE", help="hold out the personas above that share as test.jsonl")
    parser.add_argument("--keep", metavar="FAULT,...", help="mended, cut_off, empty, role_break, or all")
    parser.add_argument("--by", metavar="EXPR", help="dpo: higher is better; default: reward")
    parser.add_argument(
        "--margin", type=float, metavar="X", help="dpo: pairs must differ by more than this; default: 0"
    )
    parser.add_argument("--label", metavar="EXPR", help="kto: what makes a turn good")
    parser.add_argument("--licence", metavar="ID", help="licence of your models' output, for the data card")


def main(args: argparse.Namespace) -> int:
    from harness.exports.export import export

    settings = [word for word in args.runs if "=" in word and not Path(word).exists()]
    written = export(
        [Path(word) for word in args.runs if word not in settings],
        args.format,
        args.out,
        side=args.side,
        where=args.where,
        split=args.split,
        keep=args.keep,
        by=args.by,
        margin=args.margin,
        label=args.label,
        licence=args.licence,
        settings=settings,
    )
    _print(written, args.out)
    return 0


def _print(written: "Written", out: Path) -> None:
    for name, rows in written.files.items():
        say(f"{out / name}: {rows} {written.unit}")
    for reason, number in sorted(written.left_out.items()):
        say(f"left out: {number} ({reason})")
    for note in written.notes:
        say(note)
