"""List what can be chosen, one line each.

  python -m harness list                     all kinds, with number and names
  python -m harness list therapists
  python -m harness list metrics --json

Items of installed plug-ins are included; --config-dir and --persona-dir add your own files.
"""

import argparse
from collections.abc import Callable
from itertools import dropwhile
from pathlib import Path

from harness.cli.columns import two_columns
from harness.text.visible import say, to_json

Listing = dict[str, str]
"""Name to a description in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", choices=list(KINDS), metavar="KIND", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("--json", action="store_true", help="as JSON: kind to name to description")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="your own config files")
    parser.add_argument("--persona-dir", type=Path, metavar="DIR", help="your own personas")


def main(args: argparse.Namespace) -> int:
    from harness.config.compose import own_dir
    from harness.config.plugins import load_plugins

    own_dir(args.config_dir)
    load_plugins()
    found = {kind: KINDS[kind](args) for kind in ([args.kind] if args.kind else KINDS)}
    if args.json:
        say(to_json(found, indent=2))
    elif args.kind:
        two_columns(found[args.kind])
    else:
        two_columns({kind: f"{len(names)}: {', '.join(names)}" for kind, names in found.items()})
    return 0


def _personas(args: argparse.Namespace) -> Listing:
    from harness.personas import library
    from harness.runs.resources import persona_folders

    found = library.load("all", persona_folders(args.persona_dir))
    return {persona.id: persona.summary for persona in found}


def _group(name: str) -> Callable[[argparse.Namespace], Listing]:
    """A function that lists a config group, described by the comment at the top of each file."""

    def listing(args: argparse.Namespace) -> Listing:
        from harness.config.messages import options
        from harness.config.plugins import folders
        from harness.paths import conf_dir

        dirs = [*([args.config_dir] if args.config_dir else []), conf_dir(), *folders()]
        files = {
            option: next(f for d in dirs if (f := d / name / f"{option}.yaml").is_file())
            for option in options(name, dirs)
        }
        return {option: _comment(file) for option, file in files.items()}

    return listing


def _comment(file: Path) -> str:
    """The first line of a file without Hydra's directives, if it is a comment; else an empty text."""
    with file.open(encoding="utf-8", errors="replace") as text:
        lines = dropwhile(lambda line: line.startswith("# @"), (text.readline(500) for _ in range(10)))
        first = next(lines, "")
    return first.lstrip("# ").rstrip() if first.startswith("#") else ""


def _engines(args: argparse.Namespace) -> Listing:
    from harness.config.plugins import ENGINES

    return {**_group("engine")(args), **{name: _where(item) for name, item in ENGINES.added().items()}}


def _contexts(args: argparse.Namespace) -> Listing:
    from harness.config.plugins import POLICIES

    return {**_group("context")(args), **{name: _where(item) for name, item in POLICIES.added().items()}}


def _where(item: object) -> str:
    """The module of a plug-in's item."""
    return f"plug-in: {getattr(item, '__module__', None) or type(item).__module__}"


def _metrics(args: argparse.Namespace) -> Listing:
    from harness.comparison.catalogue import known

    return {metric.name: f"{metric.label} ({metric.group})" for metric in known()}


def _rubrics(args: argparse.Namespace) -> Listing:
    from harness.judges import library

    dirs = library.folders(None)
    found = library.load(sorted(library.find(dirs)), dirs)
    return {
        rubric.id: f"{rubric.kind} of the {rubric.target}: {', '.join(item.id for item in rubric.items)}"
        for rubric in found
    }


KINDS: dict[str, Callable[[argparse.Namespace], Listing]] = {
    "personas": _personas,
    "therapists": _group("therapist"),
    "models": _group("model"),
    "engines": _engines,
    "contexts": _contexts,
    "guards": _group("guard"),
    "experiments": _group("experiment"),
    "rubrics": _rubrics,
    "metrics": _metrics,
}
