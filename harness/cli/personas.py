"""`python -m harness personas list|show|validate|new|sample|schema`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.cli import numbers
from harness.cli.columns import two_columns
from harness.errors import ConfigError
from harness.paths import persona_dir
from harness.personas import library
from harness.personas.sampler import sample
from harness.personas.schema import Persona, Problem
from harness.text.visible import one_line, say, to_json, visible

TEMPLATE = Path(library.__file__).parent / "template.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands to the parser of `python -m harness personas`."""
    commands = parser.add_subparsers(dest="personas_command", metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--dir", type=Path, metavar="DIR", help="your own personas, looked up before the library")

    listing = commands.add_parser("list", parents=[folder], help="one line for each persona")
    listing.add_argument(
        "--problem", choices=[str(problem) for problem in Problem], help="only those with this problem"
    )
    listing.add_argument("--json", action="store_true", help="as JSON")

    show = commands.add_parser("show", parents=[folder], help="one persona, as YAML")
    show.add_argument("id")
    show.add_argument("--prompt", action="store_true", help="the prompt that the patient's model gets")
    show.add_argument("--brief", action="store_true", help="with --prompt: the short form for small windows")

    validate = commands.add_parser("validate", help="check files or folders (without any: the library)")
    validate.add_argument("paths", nargs="*", type=Path, metavar="PATH")

    new = commands.add_parser("new", help="start a persona from a commented template")
    new.add_argument("id")
    new.add_argument("--dir", type=Path, default=Path("personas"), metavar="DIR", help="where to (default: personas)")

    sampling = commands.add_parser("sample", help="compose new personas from factors")
    sampling.add_argument("n", type=int)
    sampling.add_argument("--seed", type=numbers.seed, default=0)
    sampling.add_argument("--out", type=Path, metavar="DIR", help="write a file each (default: print them)")
    sampling.add_argument(
        "--write-with",
        nargs="+",
        metavar="MODEL",
        help="have a model write the presenting problem and the history: a preset, and settings as for `python -m harness run` "
        "(llama-3.1-8b engine=vllm)",
    )

    commands.add_parser("schema", help="the JSON Schema of a persona, for editors")


def main(args: argparse.Namespace) -> int:
    """Run the subcommand. Raises `ConfigError` or `PersonaError`, which the caller prints."""
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "list": _list,
        "show": _show,
        "validate": _validate,
        "new": _new,
        "sample": _sample,
        "schema": _schema,
    }
    if args.personas_command is None:
        raise ConfigError(f"personas: expected a command, one of {', '.join(commands)}; --help says what each does")
    commands[args.personas_command](args)
    return 0


def _dirs(args: argparse.Namespace) -> list[Path]:
    return [*([args.dir] if args.dir else []), persona_dir()]


def _list(args: argparse.Namespace) -> None:
    personas = [
        persona
        for persona in library.load("all", _dirs(args))
        if args.problem is None or Problem(args.problem) in persona.problems
    ]
    if args.json:
        fields = {"id", "summary", "problems", "style", "resistance", "stage", "risk", "language"}
        say(to_json([persona.model_dump(mode="json", include=fields) for persona in personas], indent=2))
        return
    two_columns({persona.id: persona.summary for persona in personas})


def _show(args: argparse.Namespace) -> None:
    from harness.agents.prompt import patient_opening, patient_system

    [persona] = library.load([args.id], _dirs(args))
    if args.prompt:
        say(visible(f"{patient_system(persona, brief=args.brief)}\n\n{patient_opening(persona)}"))
    else:
        say(visible(library.to_yaml(persona)), end="")


def _validate(args: argparse.Namespace) -> None:
    personas = library.read_all(library.FILES.asked_for(args.paths or [persona_dir()]))
    say(f"{len(personas)} {'persona' if len(personas) == 1 else 'personas'} valid")


def _new(args: argparse.Namespace) -> None:
    path = library.FILES.start(TEMPLATE, args.id, args.dir)
    say(f"{path}\nNow fill it in, then: python -m harness personas validate {path}")


def _sample(args: argparse.Namespace) -> None:
    if args.n < 1:
        raise ConfigError(f"sample: expected a number of personas from 1 on, found {args.n}")
    personas = sample(args.n, args.seed)
    if args.write_with:
        personas = _written(personas, args.write_with, args.seed)
    texts = {persona.id: library.to_yaml(persona) for persona in personas}
    if args.out is None:
        say(visible("---\n".join(texts.values())), end="")
        return
    for name, text in texts.items():
        library.FILES.write_new(args.out / f"{name}.yaml", text)
    say(f"{len(texts)} personas in {args.out}")


def _written(personas: list[Persona], settings: Sequence[str], seed: int) -> list[Persona]:
    """The personas with narratives by a model; those whose narrative can't be used stay unchanged."""
    from harness.runs.narratives import write_narratives

    overrides = [setting if "=" in setting else f"model={setting}" for setting in settings]
    written, unused = write_narratives(personas, overrides, seed)
    for line in unused:
        say(one_line(line), file=sys.stderr)
    say(f"{len(written) - len(unused)} of {len(written)} narratives written by the model", file=sys.stderr)
    return written


def _schema(_: argparse.Namespace) -> None:
    say(to_json(Persona.model_json_schema(), indent=2))
