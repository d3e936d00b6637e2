"""Draws the length and manner of a patient's next turn from a length profile, with the session's seed.

Invariant: the draw depends only on the profile, the session's seed, the turn's index and the directed behaviour, so a
resumed session draws the same.

The quantiles are statistics of human turns; no text of these people is part of this library.
- typed: people who typed to a counsellor program (MIBot, 106 people, 1,574 turns; github.com/zaffnet/MIBOT_ACL2025,
  CC BY-SA 4.0): 11.1 words per turn, median 8, 30% of turns with three words or fewer, 4% questions. Session means
  range from 4 to 21 words (p10 to p90); `terse` and `talkative` are near these.
- spoken: clients of demonstration sessions, transcribed (AnnoMI, 133 sessions, 4,802 turns; Wu et al. 2022, 2023;
  github.com/uccollab/AnnoMI): 16.2 words per turn, median 8, p90 38, 33% with three words or fewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from random import Random

from harness.personas.schema import Channel, Length, Profile
from harness.types import derive_seed

QUANTILES: Mapping[Channel, Sequence[tuple[float, float]]] = {
    Channel.TYPED: ((0.0, 1), (0.1, 1), (0.3, 3.4), (0.5, 8), (0.75, 15), (0.9, 28), (1.0, 46)),
    Channel.SPOKEN: ((0.0, 1), (0.1, 1), (0.33, 3.4), (0.5, 8), (0.75, 19), (0.9, 38), (1.0, 90)),
}
"""(share of turns, words) for a patient of average length, in ascending order; linear in between."""
SCALE = {Length.TERSE: 0.45, Length.AVERAGE: 1.0, Length.TALKATIVE: 1.9}
"""Factor on the words of an average patient."""
QUESTIONS = 0.04
HESITATES = {Channel.TYPED: 0.05, Channel.SPOKEN: 0.15}
CORRECTS = {Channel.TYPED: 0.05, Channel.SPOKEN: 0.08}
"""Shares of turns that ask back, hesitate or correct themselves. The last two shares are chosen, not measured."""
TOKENS_PER_WORD, TOKENS_PER_OTHER_WORD = 1.2, 1.7
"""For English and for other languages, punctuation included, in the vocabularies of current models."""
SPARE_TOKENS = 2
"""Added to the tokens of the words: for the end of the sentence and of the last word."""
ROOM = {"tell": 24, "partial": 14, "door": 10, "close": 8, "walk_out": 8}
"""Least number of words for a turn with one of these behaviours."""

_SIZES: Sequence[tuple[int, Mapping[str, str]]] = (
    (3, {"en": "Two or three words, no more", "de": "Zwei, drei Worte, mehr nicht", "es": "Dos o tres palabras, no más",
         "fr": "Deux ou trois mots, pas plus"}),
    (9, {"en": "One short sentence", "de": "Ein kurzer Satz", "es": "Una frase corta", "fr": "Une phrase courte"}),
    (18, {"en": "A sentence or two", "de": "Ein, zwei Sätze", "es": "Una o dos frases", "fr": "Une ou deux phrases"}),
    (34, {"en": "Two or three sentences", "de": "Zwei, drei Sätze", "es": "Dos o tres frases",
          "fr": "Deux ou trois phrases"}),
    (10_000, {"en": "For once it comes out at length", "de": "Diesmal wird es länger", "es": "Esta vez te alargas",
              "fr": "Cette fois, c'est plus long"}),
)  # fmt: skip
_MANNERS: Mapping[str, Mapping[str, str]] = {
    "asks": {"en": "Ask something back", "de": "Frag etwas zurück", "es": "Pregunta algo tú", "fr": "Pose une question"},
    "hesitates": {"en": "You hesitate over it", "de": "Du zögerst dabei", "es": "Dudas al decirlo", "fr": "Tu hésites"},
    "corrects": {"en": "You correct yourself midway", "de": "Du verbesserst dich mittendrin",
                 "es": "Te corriges a mitad", "fr": "Tu te corriges en chemin"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What was drawn for one turn."""

    words: int
    manner: str | None
    """`asks`, `hesitates` or `corrects`; None for most turns."""

    def max_new_tokens(self, language: str) -> int:
        """Maximum of new tokens for this turn."""
        each = TOKENS_PER_WORD if language[:2] == "en" else TOKENS_PER_OTHER_WORD
        return ceil(each * self.words) + SPARE_TOKENS

    def direction(self, language: str) -> str:
        """The direction for the patient's model, in English if there are no words in the language."""
        size = next(words for most, words in _SIZES if self.words <= most)
        parts = [size, _MANNERS[self.manner]] if self.manner else [size]
        code = language.split("-")[0]
        return f"({'. '.join(words.get(code, words['en']) for words in parts)}.)"


def draw(profile: Profile, session_seed: int, index: int, behaviour: str | None = None) -> Shape:
    """The shape of turn `index`; `behaviour` is the one directed for it, if any."""
    random = Random(derive_seed(session_seed, index, "profile"))
    words = max(1, round(SCALE[profile.length] * quantile(QUANTILES[profile.channel], random.random())))
    words = max(words, ROOM.get(behaviour or "", 0))
    chance, channel = random.random(), profile.channel
    manner = None
    for name, share in (("asks", QUESTIONS), ("hesitates", HESITATES[channel]), ("corrects", CORRECTS[channel])):
        if chance < share and behaviour not in ROOM:
            manner = name if words > 3 or name == "asks" else None
            break
        chance -= share
    return Shape(words, manner)


def quantile(points: Sequence[tuple[float, float]], share: float) -> float:
    """The value below which this share lies, interpolated linearly between the points."""
    for (low, start), (high, end) in pairwise(points):
        if share <= high:
            return start + (end - start) * (share - low) / (high - low)
    return points[-1][1]


def chosen(setting: str, own: Profile) -> Profile | None:
    """The profile for a value of `patient.profile`; what it leaves open comes from `own`. None for `off`."""
    if setting == "off":
        return None
    parts = setting.split("-")
    length = next((Length(part) for part in parts if part in set(Length)), own.length)
    channel = next((Channel(part) for part in parts if part in set(Channel)), own.channel)
    return Profile(length=length, channel=channel)


def whole_sentences(text: str) -> str:
    """The text without an unfinished last sentence; unchanged if it has no whole sentence."""
    end = max(text.rfind(mark) for mark in ".!?…")
    return text if end < 1 else text[: end + 1]
