"""Rich's console for both outputs of a command, with what happens when nobody reads them any more.

Invariants:
- A run does not end because its notes on stderr can't be shown: the terminal may be lost, or the disk of a log be full.
- A closed stdout ends the command as `__main__` has it, not as rich has it, with 1.
"""

import sys
from typing import TextIO, cast

from rich.console import Console

from harness.text.visible import nowhere


class Results(Console):
    """Prints on stdout."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Stderr:
    """The stderr of the moment; one that can't be written is replaced by none."""

    @property
    def encoding(self) -> str:
        return _stderr().encoding

    def isatty(self) -> bool:
        return _stderr().isatty()

    def fileno(self) -> int:
        return _stderr().fileno()

    def write(self, text: str) -> int:
        try:
            return _stderr().write(text)
        except OSError:
            silence()
            return len(text)

    def flush(self) -> None:
        try:
            _stderr().flush()
        except OSError:
            silence()


def _stderr() -> TextIO:
    """Not rich's own, which stands in for it while a live bar is shown and writes to the console."""
    return cast(TextIO, getattr(sys.stderr, "rich_proxied_file", sys.stderr))


def silence() -> None:
    """Write nothing more to stderr."""
    sys.stderr = nowhere()


def notes() -> Console:
    """Prints on stderr how a command gets on."""
    return Console(file=cast(TextIO, _Stderr()), highlight=False, emoji=False)
