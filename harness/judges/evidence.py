"""Verifies the quotes of a judge: whether the right speaker said them, and in which turn.

Invariant: a quote counts only if it occurs letter by letter, after normalization of Unicode and white space; similar
text is not accepted. A wrong turn number is corrected, and the correction is recorded.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judges.answers import Quote
from harness.judges.subject import Said
from harness.types import Speaker

SHORTEST = 8
"""Fewest characters of a quote. A shorter one might occur by chance, so it counts only if it is the whole turn."""
_MARKS = {"'": "‘’‚‛ʼ′`´‹›", '"': "“”„‟″«»", "-": "‐‑‒–—―−"}  # noqa: RUF001
_STRAIGHT = str.maketrans({mark: plain for plain, marks in _MARKS.items() for mark in marks})


@dataclass(frozen=True, slots=True)
class Found:
    """A quote that occurs in the transcript."""

    turn: int
    quote: str
    """As the judge wrote it."""
    corrected_from: int | None = None
    """The turn number that the judge gave, if it was wrong."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Verified and rejected quotes."""

    found: tuple[Found, ...]
    rejected: tuple[str, ...]
    """A reason for each quote that does not count."""


def normalized(text: str) -> str:
    """The text in the form in which quotes are compared: NFKC, straight quotes and dashes, no invisible characters,
    single spaces."""
    composed = unicodedata.normalize("NFKC", text.translate(_STRAIGHT)).translate(_STRAIGHT)
    visible = composed if composed.isascii() else "".join(c for c in composed if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


class Shown:
    """The turns that a judge was shown, prepared for looking up quotes."""

    def __init__(self, turns: Sequence[Said]) -> None:
        self.turns = tuple(turns)
        self._texts = [normalized(said.text) for said in turns]

    def check(self, quotes: Sequence[Quote], speaker: Speaker | None, only: int | None = None) -> Checked:
        """Look up quotes. `speaker` must have said them, if given; `only` is the turn that the question was about."""
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
        """The number of the turn that contains a quote, or why the quote does not count."""
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
