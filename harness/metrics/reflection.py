"""Reflections and echoes: what a speaker gives back of what the other one just said.

A reflection in the sense of the MITI coding manual (Moyers, Manuel & Ernst 2014) captures what the client said and
gives it back as a statement. What stands here is a rule over surface forms: useful to compare models on the same
personas, and no substitute for coding by trained raters.
"""

import re
from collections.abc import Sequence

from harness.metrics.ngrams import Words
from harness.text import Said, Sentence, content_stems, word_set

_STEMS = re.compile(
    r"^(?:(?:so|and|but|okay|well|hmm|mm|ah) )*(?:"
    r"(?:it|that|this) (?:sounds|seems|feels|looks) (?:like|as if|as though|\w+)|sounds like"
    r"|what i(?:'m| am) hearing|i(?:'m| am)? hear(?:ing)? (?:you|that|how|a|the)|if i understand|i get the sense"
    r"|(?:a )?part of you|on (?:the )?one hand|that must|there(?:'s| is) (?:a part|something in you))\b"
)
_ABOUT_YOU = word_set("you you're you've you'd your part")
_LEADS = word_set("so and but okay well hmm mm ah then")
_NOT_GIVEN_BACK = word_set(
    """let let's try should suggest recommend practise practice homework consider remember please must could might
    i i'm i'd i'll i've thank thanks welcome hello hi sorry we we'll we've we're if"""
)
"""A statement with one of these leads, advises or speaks of the therapist; only `_STEMS` make it a reflection."""


def reflects(therapist: Said, patient: Said) -> bool:
    """Whether one of the therapist's sentences gives back what the patient just said.

    True for a statement that begins as reflections do, or that neither leads nor advises and either speaks first of
    `you` or holds a content word of the patient's turn.
    """
    said = content_stems(patient.words)
    return any(_reflection(sentence, said) for sentence in therapist.sentences)


def _reflection(sentence: Sentence, said: frozenset[str]) -> bool:
    if sentence.question:
        return False
    if _STEMS.match(" ".join(sentence.words)):
        return True
    if not _NOT_GIVEN_BACK.isdisjoint(sentence.words):
        return False
    first = next((word for word in sentence.words if word not in _LEADS), "")
    return first in _ABOUT_YOU or not said.isdisjoint(content_stems(sentence.words))


def reflection_rate(pairs: Sequence[tuple[Said, Said]]) -> float | None:
    """Share of therapist turns with a reflection of the patient turn before. Pairs are (patient, therapist)."""
    if not pairs:
        return None
    return round(sum(reflects(therapist, patient) for patient, therapist in pairs) / len(pairs), 4)


def echoes(words: Words) -> list[float | None]:
    """Of each turn the share of its 3-word runs that stand in the turn before; None for the first and without runs."""
    runs = words.threes()
    before = runs.shared(1)[:, 0]
    return [
        number / size if turn and size else None
        for turn, (number, size) in enumerate(zip(before.tolist(), runs.sizes.tolist(), strict=True))
    ]
