"""List, show, validate or create rubrics: the questions that judges answer.

python -m harness rubrics list
python -m harness rubrics show safety-gate
python -m harness rubrics validate my-rubrics/
python -m harness rubrics new agreed-steps --dir my-rubrics
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from harness.cli.columns import two_columns
from harness.judges import library
from harness.judges.controls import is_scale
from harness.judges.rubric import Rubric, rubric_hash
from harness.text.visible import say

TEMPLATE = Path(library.__file__).parent / "template.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="rubrics_command", required=True, metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--dir", type=Path, metavar="DIR", help="your own rubrics, looked up first")

    listing = commands.add_parser("list", parents=[folder], help="one line for each rubric")
    listing.add_argument("--json", action="store_true", help="as JSON")
    show = commands.add_parser("show", parents=[folder], help="the file of one rubric, or its questions")
    show.add_argument("id")
    show.add_argument("--questions", action="store_true", help="the questions as a judge gets them")
    validate = commands.add_parser("validate", help="check files or folders (default: the rubrics of the harness)")
    validate.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    new = commands.add_parser("new", help="start a rubric from a commented template")
    new.add_argument("id")
    new.add_argument("--dir", type=Path, default=Path("rubrics"), metavar="DIR", help="where to (default: rubrics)")


def main(args: argparse.Namespace) -> int:
    """Run the subcommand. Raises `RubricError`, which the caller prints."""
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "list": _list,
        "show": _show,
        "validate": _validate,
        "new": _new,
    }
    commands[args.rubrics_command](args)
    return 0


def _list(args: argparse.Namespace) -> None:
    dirs = library.folders(args.dir)
    rubrics = library.load(sorted(library.find(dirs)), dirs)
    if args.json:
        fields = {"id", "revision", "kind", "target", "unit"}
        rows = [
            {
                **rubric.model_dump(mode="json", include=fields),
                "items": [item.id for item in rubric.items],
                "sha256": rubric_hash(rubric),
            }
            for rubric in rubrics
        ]
        say(json.dumps(rows, indent=2))
        return
    two_columns({rubric.id: _about(rubric) for rubric in rubrics})


def _about(rubric: Rubric) -> str:
    items = "1 item" if len(rubric.items) == 1 else f"{len(rubric.items)} items"
    return f"{rubric.kind}, of the {rubric.target}, {items}: {', '.join(item.id for item in rubric.items)}"


def _show(args: argparse.Namespace) -> None:
    from harness.judges.prompt import question

    dirs = library.folders(args.dir)
    [rubric] = library.load([args.id], dirs)
    if args.questions:
        texts = [question(rubric, item, turn=7 if rubric.unit_of(item) == "turn" else None) for item in rubric.items]
        say("\n\n".join(f"# {item.id}\n{text}" for item, text in zip(rubric.items, texts, strict=True)))
    else:
        say(library.find(dirs)[args.id].read_text(encoding="utf-8"), end="")


def _validate(args: argparse.Namespace) -> None:
    rubrics = library.read_all(library.FILES.asked_for(args.paths or [library.packaged_dir()]))
    bare = [
        f"{rubric.id}/{item.id}"
        for rubric in rubrics
        for item in rubric.items
        if not item.planted and not is_scale(rubric, item)
    ]
    say(f"{len(rubrics)} {'rubric' if len(rubrics) == 1 else 'rubrics'} valid")
    if bare:
        say(f"no judge can be certified for {', '.join(bare)}: without planted turns there are no controls")


def _new(args: argparse.Namespace) -> None:
    path = library.FILES.start(TEMPLATE, args.id, args.dir)
    say(f"{path}\nNow fill it in, then: python -m harness rubrics validate {path}")
