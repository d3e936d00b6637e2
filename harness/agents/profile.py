"""How long a patient's next turn comes out, and how: drawn from a length profile, under the session's seed.

Invariant: the draw depends on the profile, the session's seed and the turn's index alone, so a resumed session draws alike.

The quantiles are aggregates over people's turns; no text of theirs is part of this library.
- typed: people who typed to a counsellor program (MIBot, 106 people, 1,574 turns; github.com/zaffnet/MIBOT_ACL2025, CC BY-SA
  4.0): 11.1 words per turn, median 8, 30% of turns with three words or fewer, 4% questions; session means from 4 to 21
  words (p10 to p90), which `terse` and `talkative` stand for.
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
"""(share of turns, words) of a patient of average length, from the fewest to the most; straight lines between them."""
SCALE = {Length.TERSE: 0.45, Length.AVERAGE: 1.0, Length.TALKATIVE: 1.9}
"""Words of a patient of this length beside an average one."""
QUESTIONS = 0.04
HESITATES = {Channel.TYPED: 0.05, Channel.SPOKEN: 0.15}
CORRECTS = {Channel.TYPED: 0.05, Channel.SPOKEN: 0.08}
"""Shares of the turns that ask back, hesitate, and correct themselves. Hesitation and correction are chosen, not measured."""
TOKENS_PER_WORD, TOKENS_PER_OTHER_WORD = 1.2, 1.7
"""Of English and of other languages, with their punctuation, in the vocabularies of current models."""
SPARE_TOKENS = 2
"""Beside the words' own tokens: the sentence's end, and a word that was to be the last."""
ROOM = {"tell": 24, "partial": 14, "door": 10, "close": 8, "walk_out": 8}
"""Words that these behaviours get at least, whatever was drawn."""

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
    """`asks`, `hesitates` or `corrects`; mostly none."""

    def max_new_tokens(self, language: str) -> int:
        """Most tokens that this turn may take."""
        each = TOKENS_PER_WORD if language[:2] == "en" else TOKENS_PER_OTHER_WORD
        return ceil(each * self.words) + SPARE_TOKENS

    def direction(self, language: str) -> str:
        """The words for the patient's model; English where the language has none."""
        size = next(words for most, words in _SIZES if self.words <= most)
        parts = [size, _MANNERS[self.manner]] if self.manner else [size]
        code = language.split("-")[0]
        return f"({'. '.join(words.get(code, words['en']) for words in parts)}.)"


def draw(profile: Profile, session_seed: int, index: int, behaviour: str | None = None) -> Shape:
    """The shape of the session's turn `index`; `behaviour` is what the patient is directed to do in it."""
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
    """The number below which this share lies, on straight lines between the points."""
    for (low, start), (high, end) in pairwise(points):
        if share <= high:
            return start + (end - start) * (share - low) / (high - low)
    return points[-1][1]


def chosen(setting: str, own: Profile) -> Profile | None:
    """The profile that `patient.profile` asks for, what it leaves open from the persona's own; None for `off`."""
    if setting == "off":
        return None
    parts = setting.split("-")
    length = next((Length(part) for part in parts if part in set(Length)), own.length)
    channel = next((Channel(part) for part in parts if part in set(Channel)), own.channel)
    return Profile(length=length, channel=channel)


def whole_sentences(text: str) -> str:
    """The text without a last sentence that the bound cut off; a text of no whole sentence stays."""
    end = max(text.rfind(mark) for mark in ".!?…")
    return text if end < 1 else text[: end + 1]
