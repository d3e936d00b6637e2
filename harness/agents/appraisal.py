"""What the therapist's turn did, as the patient takes it: by rules, or by the patient's own model.

Invariants:
- Every part of an `Appraisal` is in [0, 1]; the same text gives the same appraisal.
- Rules cost no model call and about 0.1 ms. Their words are English; of other languages they see questions, length
  and how much of the patient's own words comes back, and leave the rest at zero.
"""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from harness.agents.cues import (
    ADVISING,
    COMMON,
    GENTLE,
    MISSING,
    OPEN_QUESTION,
    REFLECTING,
    RUSHING,
    VALIDATING,
)
from harness.agents.prompt import render

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LIST_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)

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
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    if not words:
        return Appraisal()
    flat, said = f" {' '.join(words)} ", set(words)
    questions = text.count("?")
    gentle = _hits(flat, said, GENTLE)
    advice = _hits(flat, said, ADVISING) + 2 * min(2, len(_LIST_ITEM.findall(text)) // 2)
    lecture = max(0.0, (len(words) - LONG_TURN) / LONG_TURN)
    hurry = _hits(flat, said, RUSHING) + max(0, questions - 2) + max(0, advice - 2)
    missed = _hits(flat, said, MISSING)
    return Appraisal(
        validated=_share(_hits(flat, said, VALIDATING), 2) * (0.4 if missed else 1.0),
        asked=_asked(flat, questions),
        advised=_share(advice, 3),
        rushed=max(0.0, min(1.0, 0.4 * hurry + lecture - 0.3 * gentle)),
        listened=min(1.0, 0.4 * min(1, _hits(flat, said, REFLECTING)) + 0.2 * min(1, gentle) + _overlap(words, heard)),
        misunderstood=_share(missed, 2),
    )


def _hits(flat: str, words: Set[str], phrases: tuple[str, ...]) -> int:
    """How many of the phrases stand in the text (at a word's start)."""
    by_first_word, others = _index(phrases)
    hits = sum([phrase in flat for phrase in others])
    for word in words & by_first_word.keys():
        hits += sum([phrase in flat for phrase in by_first_word[word]])
    return hits


@cache
def _index(phrases: tuple[str, ...]) -> tuple[Mapping[str, list[str]], list[str]]:
    """The phrases with a blank before them: those of several words by their first one, and the single words."""
    by_first_word: dict[str, list[str]] = {}
    others: list[str] = []
    for phrase in phrases:
        first, _, rest = phrase.partition(" ")
        (by_first_word.setdefault(first, []) if rest else others).append(f" {phrase}")
    return by_first_word, others


def _share(hits: int, full: int) -> float:
    return min(1.0, hits / full)


def _asked(flat: str, questions: int) -> float:
    opened = any(f" {phrase}" in flat for phrase in OPEN_QUESTION)
    if not questions:
        return 0.5 if " tell me " in flat or " say more " in flat else 0.0
    return (1.0 if opened else 0.5) / max(1, questions - 1)


def _overlap(words: list[str], heard: str) -> float:
    """Up to 0.6 where the therapist takes up the patient's own words; to repeat the whole turn earns no more."""
    told = {word for word in _WORD.findall(heard.lower().replace("\u2019", "'")) if len(word) > 3} - COMMON
    return min(0.6, 0.2 * len(told.intersection(words)))


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
    start, end = answer.find("{"), answer.rfind("}")
    try:
        grades = json.loads(answer[start : end + 1])
        return Appraisal(**{name: float(grades[name]) / 3 for name in _PARTS})
    except (ValueError, KeyError, TypeError):
        return None


def to_dict(appraisal: Appraisal) -> dict[str, float]:
    """For a journal line."""
    return {name: getattr(appraisal, name) for name in _PARTS}
