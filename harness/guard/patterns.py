"""Regular expressions that are tried only where a hint stands in the text, since most turns hold none."""

import re
from collections.abc import Mapping, Sequence
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
        return self.expression.search(text) if self.hinted(text) else None

    def hinted(self, text: str) -> bool:
        """Whether it may match somewhere in a text in lower case."""
        return any(map(text.__contains__, self.hints))

    def all(self, text: str) -> list[re.Match[str]]:
        """All matches in a text in lower case."""
        return list(self.expression.finditer(text)) if self.hinted(text) else []


def matches(text: str, expressions: Mapping[str, re.Pattern[str]]) -> list[re.Match[str]]:
    """The matches of expressions that each begin with the words by which they are named, in the order of the text."""
    found: list[re.Match[str]] = []
    for words in [words for words in expressions if words in text]:
        place = text.find(words)
        while place >= 0:
            if match := expressions[words].match(text, place):
                found.append(match)
            place = text.find(words, place + 1)
    return sorted(found, key=re.Match.start)
