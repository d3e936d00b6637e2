"""Shell completion by argcomplete: commands, their options, and settings of `run` as KEY=VALUE."""

import argparse
import os
from importlib import import_module

from harness.cli.commands import COMMANDS, module_of


def complete() -> None:
    """Answer the shell's request for completions, and exit; returns if there is none."""
    import argcomplete

    argcomplete.autocomplete(_parser(os.environ.get("COMP_LINE", "").split()))


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """All commands, with arguments only for the one that is typed, so that no other module is imported."""
    parser = argparse.ArgumentParser(prog="harness")
    commands = parser.add_subparsers()
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name in words:
            import_module(module_of(name)).add_arguments(command)
    return parser


def complete_settings(prefix: str, **_: object) -> list[str]:
    """Completions of a setting: names of groups, and after `=` the choices of the group."""
    from harness.config.compose import groups

    key, equals, _value = prefix.partition("=")
    found = groups()
    return [f"{key}={name}" for name in found.get(key, ())] if equals else [f"{group}=" for group in found]
