"""Reflections and echoes: what a speaker gives back of what the other one just said.

A reflection in the sense of the MITI coding manual (Moyers, Manuel & Ernst 2014) captures what the client said and
gives it back as a statement. What stands here is a rule over surface forms: useful to compare models on the same
personas, and no substitute for coding by trained raters.
"""

import re
from collections.abc import Sequence

from harness.metrics.speech import Utterance
from harness.text import content_stems, ngrams

_STEMS = re.compile(
    r"^(?:so |and |but |okay |well |hmm |right |mm )*"
    r"(?:(?:it|that|this) (?:sounds|seems|feels|looks) (?:like|as if|as though)|sounds like|it (?:sounds|seems) \w+"
    r"|what i(?:'m| am) hearing|i hear (?:you|that|how|a|the)|i(?:'m| am) hearing|if i understand|i get the sense|i sense"
    r"|you(?:'re| are| were|'ve| have)? (?:feel|felt|feeling|saying|telling|wish|wishing|want|wanted|notice|noticed|long|describing"
    r"|worry|worried|afraid|scared|hoping|trying|torn|carrying|carried|been)"
    r"|(?:a )?part of you|on (?:the )?one hand|that must|there(?:'s| is) (?:a part|something in you))\b"
)


def reflects(therapist: Utterance, patient: Utterance) -> bool:
    """Whether one of the therapist's sentences gives back what the patient just said.

    True for a statement that begins as reflections do, or that speaks of `you` and shares two content words with the
    patient's turn.
    """
    said = content_stems(patient.words)
    for sentence in therapist.sentences:
        low = sentence.lower().replace("\u2019", "'")
        if low.rstrip("\"'”’)* ").endswith("?"):
            continue
        tokens = re.findall(r"[\w']+", low)
        plain = " ".join(tokens)
        if _STEMS.match(plain):
            return True
        if tokens[:1] and tokens[0] in ("you", "you're", "you've", "your") and len(content_stems(tokens) & said) >= 2:
            return True
    return False


def reflection_rate(pairs: Sequence[tuple[Utterance, Utterance]]) -> float | None:
    """Share of therapist turns with a reflection of the patient turn before. Pairs are (patient, therapist)."""
    if not pairs:
        return None
    return round(sum(reflects(therapist, patient) for patient, therapist in pairs) / len(pairs), 4)


def echo(pairs: Sequence[tuple[Utterance, Utterance]]) -> float | None:
    """Mean share of a turn's 3-word runs that stand in the other speaker's turn before. Pairs are (other, own)."""
    shares = [
        len(grams & ngrams(other.words, 3)) / len(grams) for other, own in pairs if (grams := ngrams(own.words, 3))
    ]
    return round(sum(shares) / len(shares), 4) if shares else None
