"""Whether what a judge quotes was said, where it says so, and by whom it should have been said.

Invariant: a quote counts only where it stands, letter by letter, after Unicode and white-space normalization; nothing
that is merely similar is accepted. A wrong number of the turn is corrected, and that is recorded.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judges.answers import Quote
from harness.judges.subject import Said
from harness.types import Speaker

SHORTEST = 8
"""Characters of a quote; a shorter one counts only where it is the whole turn, since it may stand anywhere."""
_MARKS = {"'": "‘’‚‛ʼ′`´‹›", '"': "“”„‟″«»", "-": "‐‑‒–—―−"}  # noqa: RUF001
_STRAIGHT = str.maketrans({mark: plain for plain, marks in _MARKS.items() for mark in marks})


@dataclass(frozen=True, slots=True)
class Found:
    """A quote that stands in the transcript."""

    turn: int
    quote: str
    """As the judge wrote it."""
    corrected_from: int | None = None
    """The number that the judge gave, where that was another one."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Quotes, told apart."""

    found: tuple[Found, ...]
    rejected: tuple[str, ...]
    """Why, one for each quote that does not count."""


def normalized(text: str) -> str:
    """Text for comparison: NFKC, straight quotes and dashes, no invisible characters, single spaces."""
    composed = unicodedata.normalize("NFKC", text.translate(_STRAIGHT)).translate(_STRAIGHT)
    visible = composed if composed.isascii() else "".join(c for c in composed if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


class Shown:
    """The turns that a judge was shown, made ready for looking up quotes."""

    def __init__(self, turns: Sequence[Said]) -> None:
        self.turns = tuple(turns)
        self._texts = [normalized(said.text) for said in turns]

    def check(self, quotes: Sequence[Quote], speaker: Speaker | None, only: int | None = None) -> Checked:
        """Look up quotes that should be this speaker's; `only` is the turn that a question was about."""
        found: list[Found] = []
        rejected: list[str] = []
        for quote in quotes:
            place = self._place(normalized(quote.text), quote.turn, speaker, only)
            if isinstance(place, str):
                rejected.append(place)
            else:
                found.append(Found(place, quote.text, None if place == quote.turn else quote.turn))
        return Checked(tuple(found), tuple(rejected))

    def _place(self, wanted: str, cited: int, speaker: Speaker | None, only: int | None) -> int | str:
        """The number of the turn in which a quote stands; or why it counts for nothing."""
        holders = [
            said
            for said, text in zip(self.turns, self._texts, strict=True)
            if wanted and (wanted == text or (len(wanted) >= SHORTEST and wanted in text))
        ]
        if not holders:
            return "the quote stands nowhere in what was shown"
        right = [said.index for said in holders if speaker is None or said.speaker is speaker]
        if not right:
            return f"the quote is not the {speaker}'s"
        if only is not None:
            return only if only in right else f"the quote does not stand in turn {only}"
        return min(right, key=lambda index: (abs(index - cited), index))
