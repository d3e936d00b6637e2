"""Classifies a therapist's turn: what each sentence does, and which words decide that."""

from collections.abc import Sequence
from functools import lru_cache

from harness.hearing.acts import ACTS, PLACE, Act, Heard, Sentence
from harness.hearing.cut import parts
from harness.hearing.features import RECENT, context, features, look
from harness.hearing.model import model
from harness.text.words import parse

_SILENT = tuple(0.0 for _ in ACTS)


def hear(text: str, heard: str | Sequence[str] = "") -> Heard:
    """What the therapist's turn `text` does.

    `heard` is the patient's turn that it answers, or the patient's last turns, the newest last; three are used. Any
    text is accepted, but results are meaningful only for English. Results are cached.
    """
    return _hear(text, (heard,) if isinstance(heard, str) else tuple(heard)[-RECENT:])


@lru_cache(maxsize=256)
def _hear(text: str, heard: tuple[str, ...]) -> Heard:
    known = model()
    cut = parts(parse(text))
    before = context(heard, known.rarity)
    looked = [None if part.form == "backchannel" else look(part, place, cut, before) for place, part in enumerate(cut)]
    scores = iter(known.chances([one.features for one in looked if one is not None]).tolist())
    sentences = [
        Sentence(part.words, part.question, _SILENT, (), backchannel=True)
        if one is None
        else Sentence(part.words, part.question, tuple(next(scores)), one.taken_up)
        for part, one in zip(cut, looked, strict=True)
    ]
    return Heard.of(tuple(sentences), known.limits)


def rests_on(text: str, heard: str | Sequence[str], act: Act, most: int = 4) -> list[tuple[str, ...]]:
    """For each sentence, the features that support `act` most, at most `most`, the strongest first; an explanation."""
    known = model()
    cut = parts(parse(text))
    before = context(heard, known.rarity)
    column = PLACE[act]
    reasons: list[tuple[str, ...]] = []
    for place, part in enumerate(cut):
        weighed = sorted(
            (
                (float(known.weights[known.rows[name], column]), name)
                for name in features(part, place, cut, before)
                if name in known.rows
            ),
            reverse=True,
        )
        reasons.append(tuple(name for weight, name in weighed[:most] if weight > 0.05))
    return reasons
