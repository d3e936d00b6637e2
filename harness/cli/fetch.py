"""Download a model that the harness knows to $HARNESS_CACHE (default ~/.cache/harness), once.

A run does this itself if it needs the model.
"""

import argparse
from functools import partial

from harness.models import fetch as models
from harness.text.visible import one_line, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="*", help=f"which model: {', '.join(models.KNOWN)}; without one, they are listed")


def main(args: argparse.Namespace) -> int:
    """Print the folder of each model. Raises `ConfigError` for an unknown name, `EngineError` if one can't be downloaded."""
    for name in args.name:
        folder = models.ensure(name, partial(_say, name))
        say(one_line(f"{name}: {folder}"))
    if not args.name:
        for model in models.KNOWN.values():
            state = (
                f"in {model.folder}"
                if models.is_present(model.name)
                else f"not downloaded; run: python -m harness fetch {model.name}"
            )
            say(f"{model.name}: {model.about}; {state}")
    return 0


def _say(name: str, line: str) -> None:
    say(one_line(f"{name}: {line}"))
