"""Classification of turns by a language model: the question, the schema of the answer, and its conversion to `Heard`.

A model judges a turn as a whole, so its `Heard` has one sentence, and shares are 0 or 1.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from harness.hearing.acts import ACTS, Act, Heard, QuestionKind, Sentence
from harness.text.words import words

_MEANINGS: Mapping[Act, str] = {
    Act.REFLECTION: "gives back, as a statement, what the patient said or meant",
    Act.COMPLEX: "such a reflection that adds meaning, a feeling or a likely next thought",
    Act.AFFIRMATION: "names a strength, an effort or a success of the patient's",
    Act.VALIDATION: "takes a feeling of the patient's as understandable",
    Act.ADVICE: "tells the patient what to do, or proposes it",
    Act.INFORMATION: "teaches or explains facts",
    Act.DISCLOSURE: "speaks of the therapist's own life or feeling",
    Act.CONFRONTATION: "contradicts, blames, warns, shames, or brushes a feeling aside",
    Act.SAFETY: "asks about danger to life, or names help in a crisis",
    Act.STRUCTURE: "arranges the talk: greeting, agenda, time, agreement",
    Act.PERMISSION: "asks whether advice or information is wanted",
    Act.AUTONOMY: "stresses that the patient chooses",
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "question": {"enum": ["none", "closed", "open"]},
        **{str(act): {"type": "boolean"} for act in ACTS},
    },
    "required": ["question", *map(str, ACTS)],
    "additionalProperties": False,
}
"""JSON schema of the model's answer about a turn."""
ANSWER_TOKENS = 160
"""Thirteen short values as JSON take 90 to 130 tokens."""
_LIMITS = (0.5,) * len(ACTS)


def question(heard: str, text: str) -> str:
    """The user message that asks what the therapist's turn `text` does after the patient's words `heard`."""
    listed = "\n".join(f"- {act}: {meaning}" for act, meaning in _MEANINGS.items())
    return (
        "Below are a patient's last words and a therapist's answer. Say what the answer does. Answer with JSON: "
        'question ("none", "closed" or "open"), and true or false for each of\n'
        f"{listed}\n\nPatient: {heard}\n\nTherapist: {text}"
    )


def parse(answer: str, text: str) -> Heard | None:
    """The model's `answer` about the turn `text` as a `Heard`; None if it does not follow the schema."""
    try:
        found = json.loads(answer[answer.find("{") : answer.rfind("}") + 1])
        asked = {"none": None, "closed": "closed", "open": "open"}[found["question"]]
        given = [found[act] for act in ACTS]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(value, bool) for value in given):
        return None
    said = tuple(words(text))
    return Heard.of((Sentence(said, cast(QuestionKind | None, asked), tuple(map(float, given)), ()),), _LIMITS)
