"""What the therapist's turn did, as the patient takes it: by rules, or by the patient's own model.

Invariants:
- Every part of an `Appraisal` is in [0, 1]; the same text gives the same appraisal.
- Rules cost no model call and well under 0.1 ms. Their words are English; of other languages they see questions, length and
  how much of the patient's own words comes back, and leave the rest at zero.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness.agents.prompt import render

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LIST_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)

LONG_TURN = 110
"""Words of a therapist's turn from which it is a lecture; twice as many count in full."""

VALIDATING = (
    "that sounds hard", "sounds really hard", "sounds so hard", "sounds painful", "sounds exhausting", "sounds lonely",
    "sounds frightening", "sounds heavy", "sounds tough", "sounds difficult", "sounds really difficult",
    "sounds incredibly", "sounds like a lot", "sounds overwhelming", "must be hard", "must have been", "must be so",
    "must feel", "makes sense", "make sense that", "understandable", "no wonder", "of course you", "anyone would",
    "anyone in your place", "many people would", "you are not alone", "you're not alone", "not your fault",
    "wasn't your fault", "i'm sorry you", "i'm sorry that", "i am sorry", "i'm so sorry", "thank you for telling",
    "thank you for sharing", "thank you for trusting", "takes courage", "took courage", "took a lot to", "that took",
    "i can see why", "i can see how", "i can hear how", "i hear how", "you have every right", "good reason",
    "that matters", "it's okay to feel", "it's ok to feel", "okay to feel", "really hurt", "how painful", "how hard",
    "how lonely", "how tired", "i believe you", "you've carried", "you have carried", "been carrying", "you went through",
    "your feelings are valid", "that was cruel", "deserved better",
)  # fmt: skip
REFLECTING = (
    "it sounds like", "it sounds as if", "sounds like you", "so you", "what i hear", "i hear you", "i'm hearing",
    "i hear that", "if i understand", "let me see if i", "you're saying", "you are saying", "you feel", "you felt",
    "part of you", "you mentioned", "you said", "you told me", "in other words", "it seems that you", "it seems like you",
    "did i get that right", "is that right", "am i understanding", "there's something about",
)  # fmt: skip
OPEN_QUESTION = (
    "what", "how", "tell me", "could you say", "can you say", "would you like to say", "can you describe", "where do you",
    "who", "when did", "i wonder", "i'm curious", "say more", "what's it like", "help me understand",
)  # fmt: skip
ADVISING = (
    "you should", "you need to", "you have to", "you must", "you could try", "try to", "try this", "try doing", "let's try",
    "have you tried", "have you considered", "why don't you", "why not", "i suggest", "i'd suggest", "i recommend",
    "i'd recommend", "i would suggest", "i would recommend", "my advice", "i want you to", "i'd like you to", "start by",
    "make a list", "write down", "keep a journal", "keep a diary", "one technique", "a technique", "an exercise",
    "a strategy", "strategies", "set a goal", "set goals", "practice", "practise", "take a deep breath",
    "deep breaths", "it's important to", "important that you", "focus on", "remember to", "make sure", "set aside",
    "reach out to", "challenge that thought", "challenge those thoughts", "consider", "homework",
)  # fmt: skip
RUSHING = (
    "let's move on", "moving on", "let's get started", "right away", "as soon as", "just do", "just try", "simply",
    "just stop", "just think", "just tell", "all you need", "all you have to", "come on", "quickly", "hurry", "by next week",
    "this week i want", "first of all", "secondly", "next step", "the next thing", "let's jump", "let's dive", "let's go ahead",
    "no excuses", "get to the point", "step one", "step two",
)  # fmt: skip
MISSING = (
    "at least", "look on the bright side", "bright side", "calm down", "don't worry", "stop worrying", "not that bad",
    "isn't that bad", "it could be worse", "could be worse", "others have it worse", "get over it", "move past it",
    "let it go", "cheer up", "be positive", "think positive", "stay positive", "positive thinking", "everyone feels",
    "everybody feels", "everyone goes through", "we all", "happens to everyone", "overreacting", "too sensitive", "exaggerating",
    "being dramatic", "irrational", "you're wrong", "not realistic", "snap out", "i know exactly how", "time heals",
    "everything happens for a reason", "be grateful", "should be grateful", "you shouldn't feel", "don't feel", "don't be",
    "why did you let", "what did you do to", "your own fault", "you're just", "as i said", "like i said", "as i told you",
    "you're not listening",
)  # fmt: skip
GENTLE = (
    "take your time", "no rush", "no hurry", "at your pace", "your own pace", "slow down", "slowly", "slower", "one thing",
    "only if you", "if you'd like", "if you want to", "if that's okay", "we don't have to", "you don't have to",
    "no need to", "stay with", "sit with", "let's pause", "we can stop", "just one", "small", "bit by bit",
)  # fmt: skip
COMMON = frozenset(
    "a about after again all also am an and any are as at be because been before being but by can can't could did do does "
    "doing don't down even ever feel for from get go going got had has have having he her here him his how i i'd i'll i'm "
    "i've if in into is it it's its just know let like make me might more much my no not now of off on one only or other "
    "our out over really say she should so some something sometimes than that that's the their them then there these they "
    "thing things think this those to too up us very was we well were what when where which while who why will with would "
    "yes you you're your yourself".split()
)
"""Words too common to show that somebody listened."""


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
    """Up to 0.6 where the therapist's words take up the patient's; whole turns given back verbatim earn nothing more."""
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
