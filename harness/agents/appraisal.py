"""What the therapist's turn did, as the patient takes it: by rules, or by the patient's own model.

Invariants:
- Every part of an `Appraisal` is in [0, 1]; the same text gives the same appraisal.
- Rules cost no model call and about 0.1 ms. Their words are English; of other languages they see questions, length
  and how much of the patient's own words comes back, and leave the rest at zero.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from harness.agents.cues import COMMON, CUES, OPEN_QUESTION
from harness.agents.prompt import render
from harness.context.ask import json_object

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_LIST_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)

_OPENINGS = tuple(f" {phrase}" for phrase in OPEN_QUESTION)

LONG_TURN = 110
"""Words of a therapist's turn from which it is a lecture; twice as many count in full."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """How the therapist's turn came across, each part from 0 (not at all) to 1 (very much)."""

    validated: float = 0.0
    """Feelings were named as understandable."""
    asked: float = 0.0
    """An open, single question was asked."""
    advised: float = 0.0
    """Told what to do."""
    rushed: float = 0.0
    """Too much, or too fast."""
    listened: float = 0.0
    """The patient's own meaning or words came back."""
    misunderstood: float = 0.0
    """Brushed aside, blamed, or got wrong."""

    def __post_init__(self) -> None:
        for name in _PARTS:
            if not 0.0 <= (value := getattr(self, name)) <= 1.0:
                raise ValueError(f"{name}: expected a number from 0 to 1, found {value}")


_PARTS = tuple(part.name for part in fields(Appraisal))


def appraise(text: str, heard: str = "") -> Appraisal:
    """Appraise the therapist's `text` by rules; `heard` is the patient's turn that it answers."""
    words = _words(text)
    if not words:
        return Appraisal()
    flat, said = f" {' '.join(words)} ", set(words)
    questions = text.count("?")
    hits = _hits(flat, said)
    gentle, missed = hits["gentle"], hits["missing"]
    advice = hits["advising"] + 2 * min(2, len(_LIST_ITEM.findall(text)) // 2)
    lecture = max(0.0, (len(words) - LONG_TURN) / LONG_TURN)
    hurry = hits["rushing"] + max(0, questions - 2) + max(0, advice - 2)
    return Appraisal(
        validated=_share(hits["validating"], 2) * (0.4 if missed else 1.0),
        asked=_asked(flat, questions),
        advised=_share(advice, 3),
        rushed=max(0.0, min(1.0, 0.4 * hurry + lecture - 0.3 * gentle)),
        listened=min(1.0, 0.4 * min(1, hits["reflecting"]) + 0.2 * min(1, gentle) + _overlap(said, heard)),
        misunderstood=_share(missed, 2),
    )


def _hits(flat: str, words: set[str]) -> Mapping[str, int]:
    """How many phrases of each kind stand in the text (at a word's start)."""
    by_first_word, others = _index()
    hits = dict.fromkeys(CUES, 0)
    for phrase, kind in chain(others, *[by_first_word[word] for word in words if word in by_first_word]):
        if phrase in flat:
            hits[kind] += 1
    return hits


@cache
def _index() -> tuple[Mapping[str, Sequence[tuple[str, str]]], Sequence[tuple[str, str]]]:
    """The phrases with a blank before them, and their kinds: those of several words by their first one, and the
    single words."""
    by_first_word: dict[str, list[tuple[str, str]]] = {}
    others: list[tuple[str, str]] = []
    for kind, phrases in CUES.items():
        for phrase in phrases:
            first, _, rest = phrase.partition(" ")
            (by_first_word.setdefault(first, []) if rest else others).append((f" {phrase}", kind))
    return by_first_word, others


def _share(hits: int, full: int) -> float:
    return min(1.0, hits / full)


def _asked(flat: str, questions: int) -> float:
    if not questions:
        return 0.5 if " tell me " in flat or " say more " in flat else 0.0
    opened = any(map(flat.__contains__, _OPENINGS))
    return (1.0 if opened else 0.5) / max(1, questions - 1)


def _overlap(words: set[str], heard: str) -> float:
    """Up to 0.6 where the therapist takes up the patient's own words; to repeat the whole turn earns no more."""
    told = {word for word in words.intersection(_words(heard)) if len(word) > 3}
    return min(0.6, 0.2 * len(told - COMMON))


def _words(text: str) -> list[str]:
    low = text.lower().replace("\u2019", "'")
    return (_ASCII_WORD if low.isascii() else _WORD).findall(low)


APPRAISAL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "integer", "minimum": 0, "maximum": 3} for name in _PARTS},
    "required": list(_PARTS),
    "additionalProperties": False,
}
"""What the patient's model answers when it appraises: 0 (not at all) to 3 (very much) for each part."""


def appraisal_prompt(name: str, heard: str, text: str, dirs: tuple[Path, ...] = ()) -> str:
    """The user message that asks the patient's model how the therapist's `text` came across to the patient `name`."""
    return render("appraisal.jinja", dirs, name=name, heard=heard, text=text)


def parse_appraisal(answer: str) -> Appraisal | None:
    """The model's answer as an appraisal; None where it isn't one (then appraise by rules)."""
    grades = json_object(answer) or {}
    try:
        return Appraisal(**{name: float(grades[name]) / 3 for name in _PARTS})
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def to_dict(appraisal: Appraisal) -> dict[str, float]:
    """For a journal line."""
    return {name: getattr(appraisal, name) for name in _PARTS}
