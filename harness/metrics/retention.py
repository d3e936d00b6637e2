"""How many of the facts that the patient stated are still in the therapist's view at the end of a session.

Facts are found in the patient's turns by rules: names, times, numbers, quoted phrases and agreed plan items. Names,
times and numbers count as kept if the same words are in the view. A note may reword quoted phrases and plan items, so
of these most content words must occur close together.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from string import digits
from typing import NamedTuple

from harness.guard.patterns import Hinted, Hints, matches
from harness.metrics.registry import headline
from harness.text.words import FUNCTION_WORDS, Said, content_stems, parse, plain, word_set, words
from harness.types import Speaker, Turn

_ENOUGH = 0.6
"""Share of the content words of a phrase or plan item that must occur close together."""
_STRETCH = 40
"""Words: the length of the part of the view in which they must occur."""
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_MONTHS = "january february march april june july august september october november december"
_COUNT_WORDS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty"
_UNITS = (
    r"(?:seconds?|minutes?|hours?|days?|nights?|weeks?|months?|years?|times|people|kids|children|pills"
    r"|drinks|beers|kilos?|pounds?"
    r"|miles|percent|%|sisters?|brothers?|sons?|daughters?|euros?|dollars?)"
)
TIMES = {
    **{name: re.compile(rf"\b{name}(?:s|'s)?\b") for name in f"{_DAYS} {_MONTHS}".split()},
    **{name: re.compile(rf"\b{name}\b") for name in ("noon", "midnight")},
}
NUMBERS = {word: re.compile(rf"\b{word}[ -]{_UNITS}\b") for word in (*_COUNT_WORDS.split(), "a hundred")}
_CLOCK = re.compile(r"\b\d{1,2}(?::\d{2})?\s?(?:am|pm|a\.m\.|p\.m\.)|\b\d{1,2}:\d{2}\b|\b(?:19|20)\d{2}\b")
_FIGURE = re.compile(rf"\b\d+(?:[.,]\d+)?(?:[ -]{_UNITS})?\b")
_QUOTE = re.compile(r"[\"“]([^\"“”\n]{3,120})[\"”]")
_PLANS = (
    *("i'll", "i will", "i can try", "i could try", "i'm going to", "i am going to", "i promise"),
    *("i've decided to", "we agreed", "i'd be willing to", "let me try"),
)
PLAN = Hinted(_PLANS, re.compile(rf"\b(?:{'|'.join(_PLANS)})\b"))
HINTS = Hints((*TIMES, *NUMBERS, *_PLANS))
_NAME = re.compile(r"[A-Z](?<=[^\W_] .|[,;] .)[a-z]{2,}(?:[ -][A-Z][a-z]{2,})?\b")
_NOT_NAMES = word_set(
    """
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August
    September October November December Christmas Easter God Mum Mom Dad Mama Papa Gran Grandma Grandpa English Okay
    Yes Well
    """
)


@dataclass(frozen=True, slots=True)
class Retention:
    """How many facts the patient stated, and how many are still in view."""

    established: int
    kept: int
    by_kind: Mapping[str, tuple[int, int]]
    """For each kind: (established, kept)."""
    lost: tuple[str, ...]
    """Facts that are no longer in view, as `kind: text`."""

    @property
    @headline(
        "retention.share",
        label="facts still in the therapist's view",
        group="Memory",
        share=True,
        better="higher",
    )
    def share(self) -> float | None:
        """The share of facts kept; None if there are none."""
        return round(self.kept / self.established, 4) if self.established else None

    def as_dict(self) -> dict[str, object]:
        return {
            "established": self.established,
            "kept": self.kept,
            "share": self.share,
            "by_kind": {kind: {"established": of, "kept": kept} for kind, (of, kept) in self.by_kind.items()},
            "lost": list(self.lost[:20]),
        }


class Fact(NamedTuple):
    """One fact that the patient stated; `text` is in lower case."""

    kind: str
    text: str


def retention(turns: Sequence[Turn], view: str | Sequence[str], known: Mapping[str, Said] | None = None) -> Retention:
    """Look up the facts of the patient's turns in the texts of a view.

    `known` maps texts to their parsed form, so that they are not parsed again.
    """
    known = known or {}
    found = facts([turn.text for turn in turns if turn.speaker == Speaker.PATIENT], known)
    texts = [view] if isinstance(view, str) else list(view)
    seen = _Seen(texts, known)
    kept = [fact for fact in found if seen.holds(fact)]
    held = set(kept)
    kinds = dict.fromkeys(fact.kind for fact in found)
    return Retention(
        established=len(found),
        kept=len(kept),
        by_kind={
            kind: (sum(fact.kind == kind for fact in found), sum(fact.kind == kind for fact in kept)) for kind in kinds
        },
        lost=tuple(f"{fact.kind}: {fact.text}" for fact in found if fact not in held),
    )


def facts(texts: Iterable[str], known: Mapping[str, Said] | None = None) -> list[Fact]:
    """The facts in these texts, each once, in order; `known` maps texts to their parsed form."""
    found: dict[Fact, None] = {}
    for text in texts:
        for fact in _facts_of(text, known.get(text) if known else None):
            found.setdefault(fact)
    return list(found)


def _facts_of(text: str, said: Said | None) -> Iterable[Fact]:
    low = plain(text)
    for match in _NAME.finditer(text):
        name = match.group()
        if name not in _NOT_NAMES and name.lower() not in FUNCTION_WORDS:
            yield Fact("name", name.lower())
    hints = HINTS.found(low)
    figures = not low.isascii() or any(map(low.__contains__, digits))  # there are digits beyond ASCII
    times = _in_order(matches(low, TIMES, hints), _CLOCK.finditer(low) if figures else ())
    for match in times:
        yield Fact("time", match.group().strip())
    for match in _in_order(matches(low, NUMBERS, hints), _FIGURE.finditer(low) if figures else ()):
        if not any(time.start() < match.end() and match.start() < time.end() for time in times):
            yield Fact("number", match.group())
    for match in _QUOTE.finditer(text):
        if content_stems(words(match.group(1))):
            yield Fact("quote", plain(match.group(1)).strip())
    if not hints.isdisjoint(PLAN.hints):
        yield from _plans(said or parse(text).said)


def _in_order(named: Iterable[re.Match[str]], figures: Iterable[re.Match[str]]) -> list[re.Match[str]]:
    return sorted([*named, *figures], key=re.Match.start)


def _plans(text: Said) -> Iterable[Fact]:
    for sentence in text.sentences:
        said = " ".join(sentence.words)
        plan = PLAN.search(said)
        if plan and not sentence.question and len(content_stems(words(said[plan.end() :]))) >= 2:
            yield Fact("plan", said[plan.start() :][:160])


class _Seen:
    """The texts of a view, prepared for looking up facts."""

    def __init__(self, texts: Sequence[str], known: Mapping[str, Said]) -> None:
        self._texts = texts
        self._words = [known[text].words if text in known else words(text) for text in texts]
        self._text = f" {' '.join(chain.from_iterable(self._words))} "

    @cached_property
    def _plain(self) -> str:
        return plain("\n".join(self._texts))

    @cached_property
    def _stretches(self) -> list[frozenset[str]]:
        return [
            content_stems(tokens[start : start + _STRETCH])
            for tokens in self._words
            for start in range(0, max(1, len(tokens) - _STRETCH // 2), _STRETCH // 2)
        ]

    def holds(self, fact: Fact) -> bool:
        said = words(fact.text)
        if f" {' '.join(said)} " in self._text:
            return True
        if fact.kind not in ("quote", "plan"):
            return False
        wanted = content_stems(said)
        return fact.text in self._plain or any(
            len(wanted & stretch) >= _ENOUGH * len(wanted) for stretch in self._stretches
        )
