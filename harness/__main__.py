# PYTHON_ARGCOMPLETE_OK
"""`python -m harness COMMAND`: finds the command's module and imports nothing else, so that help is instant."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from harness.cli.commands import COMMANDS, module_of
from harness.errors import HarnessError, did_you_mean, some_of
from harness.paths import __version__, working_dir
from harness.text.visible import nowhere, one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        from harness.cli.completion import complete

        complete()
    words = list(sys.argv[1:] if argv is None else argv)
    _open_closed()
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"harness {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        return _error(
            f"no command {name!r}{did_you_mean(name, COMMANDS)}; there are {some_of(COMMANDS, name, 'python -m harness --help')}"
        )
    if "" in words:  # as a path it would be the working directory
        return _error(
            f"{name}: an empty argument, as of a shell variable that is not set; give a value or leave it out"
        )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that isn't UTF-8 still gets every line
    try:
        return _run(name, words[1:])
    except HarnessError as error:
        for line in error.lines:
            _error(line)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away, as `head` does; nobody is left to tell
        return 141
    except OSError as error:  # a full disk, a folder without permission, a name that is too long
        return _error(_of_system(error, name))


def _of_system(error: OSError, name: str) -> str:
    """The line for an error of the system."""
    if isinstance(error, FileNotFoundError) and error.filename is None:
        try:
            working_dir()
        except HarnessError as gone:
            return str(gone)
    return f"{error.filename or name}: {error.strerror or error}"


def _error(line: str) -> int:
    try:
        print(f"error: {one_line(line)}", file=sys.stderr, flush=True)
    except OSError:  # nobody is left to tell
        sys.stderr = nowhere()
    return 2


def _open_closed() -> None:
    """Open what a daemon was started without: Python has no stdout or stderr then, and the next file to be opened would be
    taken for it by libraries and child processes."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or nowhere()
    sys.stderr = sys.stderr or nowhere()


def _run(name: str, words: list[str]) -> int:
    args = parsed(name, words)
    code: int = import_module(module_of(name)).main(args)
    return code


def parsed(name: str, words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command. Ends the process where they are asked for, or are none."""
    module = import_module(module_of(name))
    description = getattr(module, "description", None)
    parser = argparse.ArgumentParser(
        prog=f"python -m harness {name}",
        description=description() if description and not {"-h", "--help"}.isdisjoint(words) else module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return parser.parse_intermixed_args(words) if getattr(module, "INTERMIXED", False) else parser.parse_args(words)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m harness COMMAND [...]",
            "",
            "Therapist models and simulated patients talk through whole sessions; no prompt ever overflows.",
            "",
            *lines,
            "",
            "`python -m harness COMMAND --help` says more. These are simulations for engineering and research:",
            "no medical device, and scores are not clinical evidence.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
