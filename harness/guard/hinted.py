"""A regular expression that is tried only where a hint stands in the text, since most turns hold none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hinted:
    """Every text that the expression matches holds one of the hints; looking for those costs a tenth."""

    hints: tuple[str, ...]
    expression: re.Pattern[str]

    @classmethod
    def any_of(cls, hints: Sequence[str], *patterns: str) -> "Hinted":
        """The first of some patterns that matches."""
        return cls(tuple(hints), re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))

    def search(self, text: str) -> re.Match[str] | None:
        """The first match in a text in lower case."""
        return self.expression.search(text) if any(map(text.__contains__, self.hints)) else None
