"""What the therapist's turn did, as the patient takes it: by rules, or by the patient's own model.

Invariants:
- Every part of an `Appraisal` is in [0, 1]; the same text gives the same appraisal.
- Rules cost no model call and about 0.1 ms. Their words are English; of other languages they see questions, length
  and how much of the patient's own words comes back, and leave the rest at zero.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
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
        for part in fields(self):
            if not 0.0 <= (value := getattr(self, part.name)) <= 1.0:
                raise ValueError(f"{part.name}: expected a number from 0 to 1, found {value}")


def appraise(text: str, heard: str = "") -> Appraisal:
    """Appraise the therapist's `text` by rules; `heard` is the patient's turn that it answers."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    if not words:
        return Appraisal()
    flat = f" {' '.join(words)} "
    questions = text.count("?")
    gentle = _hits(flat, GENTLE)
    advice = _hits(flat, ADVISING) + 2 * min(2, len(_LIST_ITEM.findall(text)) // 2)
    lecture = max(0.0, (len(words) - LONG_TURN) / LONG_TURN)
    hurry = _hits(flat, RUSHING) + max(0, questions - 2) + max(0, advice - 2)
    missed = _hits(flat, MISSING)
    return Appraisal(
        validated=_share(_hits(flat, VALIDATING), 2) * (0.4 if missed else 1.0),
        asked=_asked(flat, questions),
        advised=_share(advice, 3),
        rushed=max(0.0, min(1.0, 0.4 * hurry + lecture - 0.3 * gentle)),
        listened=min(1.0, 0.4 * min(1, _hits(flat, REFLECTING)) + 0.2 * min(1, gentle) + _overlap(words, heard)),
        misunderstood=_share(missed, 2),
    )


def _hits(flat: str, phrases: tuple[str, ...]) -> int:
    """How many of the phrases stand in the text (at a word's start)."""
    return sum(f" {phrase}" in flat for phrase in phrases)


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
    "properties": {part.name: {"type": "integer", "minimum": 0, "maximum": 3} for part in fields(Appraisal)},
    "required": [part.name for part in fields(Appraisal)],
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
        return Appraisal(**{part.name: float(grades[part.name]) / 3 for part in fields(Appraisal)})
    except (ValueError, KeyError, TypeError):
        return None


def to_dict(appraisal: Appraisal) -> dict[str, float]:
    """For a journal line."""
    return asdict(appraisal)
