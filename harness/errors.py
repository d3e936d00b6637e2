"""One exception class for each interface of the program, each with one clear line for the user.

Messages name the file or setting, the key, what was found, what was expected and the remedy.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar

from harness.text.visible import one_line
from harness.types import NOTHING

_LONGEST_WORD = 200
"""Characters; longer text is not a misspelt word."""
MOST_NAMES = 12
"""Most known names that one message lists."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` with the most similar known word; empty if none is similar."""
    choices = sorted(known)
    if len(word) > _LONGEST_WORD or word in choices:
        return ""
    near = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def some_of(known: Iterable[str], word: str = "", how: str = "") -> str:
    """Known names in one short line: all of them if they are few, else those most like `word`, and `how` to list the rest."""
    names = list(known)
    if len(names) <= MOST_NAMES:
        return ", ".join(map(_cut, names))
    near = difflib.get_close_matches(word[:_LONGEST_WORD], names, n=MOST_NAMES, cutoff=0)
    return f"{', '.join(map(_cut, near))} and {len(names) - MOST_NAMES} more{how and f' ({how})'}"


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_WORD else f"{name[:_LONGEST_WORD]}..."


def first_line(error: BaseException) -> str:
    """The first line of an error's text that is not empty, or the name of its class."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class HarnessError(Exception):
    """Any mistake or failure that a user can understand; printed without a traceback."""

    exit_code: ClassVar[int] = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the message: one, unless the class says otherwise, even if a server's text has more."""
        return (one_line(str(self)),)


class _Several(HarnessError):
    """An error with a line for each mistake."""

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self._lines = lines

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(map(one_line, self._lines))


class ConfigError(_Several):
    """A setting is unknown, has a bad value, or contradicts another. May hold several lines."""


class PersonaError(ConfigError):
    """A persona file is missing, unreadable or invalid."""


class RubricError(ConfigError):
    """A rubric file is missing, unreadable or invalid."""


class RatingError(ConfigError):
    """A table of people's ratings can't be read."""


class TranscriptError(ConfigError):
    """A transcript to replay can't be read; names the file and the line number."""


class StorageError(_Several):
    """A run folder can't be written, read, locked or resumed. May hold several lines."""


class EngineError(HarnessError):
    """An engine can't be started or reached, or can't answer."""

    exit_code = 3
    usage = NOTHING
    """The cost of unusable answers."""


class EngineUnavailable(EngineError):
    """The engine is gone for all sessions (dead process, server down): wait or restart, don't fail sessions."""


class RequestRejected(EngineError):
    """The engine will never answer this request (bad request, wrong key, unknown model)."""


class PromptRefused(RequestRejected):
    """The engine counts a prompt differently and calls it too long.

    `limit` and `counted` are the engine's limit and count in tokens; None if it did not report them.
    """

    def __init__(self, message: str, *, limit: int | None = None, counted: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.counted = counted


class PromptCut(PromptRefused):
    """The engine read only part of a prompt, and answered that part."""


class ContextOverflow(HarnessError):
    """A view can't be made to fit its window (policy `none`, or a fixed part that is too long)."""

    exit_code = 2


class JudgeError(HarnessError):
    """There are no scores to work with."""

    exit_code = 2


class ComparisonError(_Several):
    """Runs can't be compared. May hold several lines, one per reason."""
