"""Compares a therapist turn with the session so far: what it takes up of the patient's words, and what it repeats.

A turn takes up a word if it uses the patient's word (or a form of it) in a sentence of its own. A frame is a sentence
with its content words replaced by gaps. "Specific" words are those with a high `english.specificity`.

Invariants:
- The result depends only on the turns before, so a resumed session gives the same results.
- Memory grows with the number of different words, not with the number of repetitions.
"""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import chain, pairwise
from math import exp, fsum
from typing import NamedTuple

from harness.agents.cues import Words
from harness.agents.english import STOCK, specificity
from harness.text.words import FUNCTION_WORDS, parse, stem

ASKED = 0.5
"""Credit for taking up words in a question, relative to a statement: a question gives little back."""
EARLIER = 0.5
"""Credit for taking up an earlier turn, relative to the last one."""
REMEMBERED = 0.4
"""Least specificity for a word of an earlier turn to count, since everyday words recur by chance."""
JOINS = 0.3
"""Least specificity for a word of an earlier turn to count as connected with another, for the same reason."""
TOUCHED = 0.15
"""A sentence is about what the patient said if it takes up at least this much."""
ROOM, STRAYS = 2.0, 0.25
"""Specific words on other topics that a turn may have without loss, and the weight of each further one."""
TAKEN = 0.25
"""Credit for taking up a word again, relative to the first time."""
ENOUGH = 1.15
"""How fast credit saturates: one fully specific word gives two thirds of the maximum."""
OWN_WORDS = 0.08
"""Credit for taking up a word in a sentence without specific words of the therapist's own: a word put into a frame."""
PUT = 1.2
"""With this sum of specific words of its own, a sentence is in other words and gets full credit."""
JOINED = 0.4
"""What each further word of the patient's in the same sentence adds to that sum."""
PUT_IN = 2.0
"""The sum of specific words of its own at which a whole turn is in other words."""
COPIED = 0.2, 0.5
"""Share of a turn's word pairs copied from the patient's last turn (`I` as `you`): parroting begins; nothing else.

Sentences that the therapist said before are left out.
"""
READ_BACK = 0.3, 0.6
"""The same for a single sentence, which then takes up nothing."""
SAME = 0.3, 0.7
"""Share of a turn that the therapist said before in the same words: repetition begins; is complete."""
SAME_FRAME = 0.5, 0.85
"""The same for the frames of a turn, compared with those of one earlier turn."""
SENTENCE = 3
"""A sentence of at least this many words counts as repeated if it recurs."""
PHRASE = 5
"""Words of a phrase that nobody says twice by chance."""
WORN = 0, 3
"""Earlier turns with such a phrase: repetition begins above the first number and is complete at the second."""
AROUND = 5
"""A turn with this many words of its own in statements says something itself."""
LONG_FRAME = 5
"""A frame of at least this many parts is worn after one use; a shorter one after two."""
BACKCHANNEL = 4
"""A turn of at most this many words is only a nod, which may recur."""

_GAP = "_"
_SECOND_PERSON = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "am": "are", "i'm": "you",
    "i've": "you", "i'd": "you", "i'll": "you", "we": "you", "our": "your", "was": "were",
}  # fmt: skip
"""A patient's words in the form in which a therapist gives them back."""


class Uptake(NamedTuple):
    """How a therapist's turn relates to the turns before; numbers with a fraction are from 0 to 1."""

    taken_up: float
    """How much of what the patient said is given back in other words."""
    parroted: float
    """How much of the turn is the patient's last turn, word for word."""
    same: float
    """How much of the turn the therapist has said before."""
    own: float
    """How much the turn adds in specific words of its own."""
    strange: float
    """How much it adds in specific words on other topics, if nothing is taken up; else 0."""
    around: float
    """How much it adds in words of its own, everyday words included."""
    words: int
    """Number of the patient's content words that are taken up."""
    joined: bool
    """Whether a sentence connects several of them."""
    read_back: float
    """How much of its most copied sentence is the patient's last turn, word for word."""
    matter: int
    """Number of content words in the patient's last turn: what there was to take up."""


@dataclass(slots=True)
class _Turn:
    """The last patient turn."""

    stems: frozenset[str] = frozenset()
    pairs: frozenset[int] = frozenset()
    """Hashes of its word pairs, as said and in the second person."""
    runs: frozenset[int] = frozenset()
    """The same for three words in a row."""


class Memory:
    """The words of both speakers so far in one session."""

    def __init__(self, common: frozenset[str] = FUNCTION_WORDS) -> None:
        """`common` are the words of the language without content of their own."""
        self._common = common
        self._said: set[str] = set()
        self._last = _Turn()
        self._said_runs: set[int] = set()
        """`_Turn.runs` of all patient turns before the last."""
        self._taken: set[str] = set()
        """Stems of the patient's that the therapist has taken up."""
        self._runs: set[int] = set()
        self._sentences: set[tuple[str, ...]] = set()
        self._framed: Counter[tuple[str, ...]] = Counter()
        self._phrases: Counter[int] = Counter()
        self._frames: dict[frozenset[int], None] = {}
        """The frames of each therapist turn, in order, each set once."""

    def say(self, text: str) -> None:
        """Add the patient's next turn."""
        own = parse(text).said.words
        self._said |= self._last.stems
        self._said_runs |= self._last.runs
        turned = [_SECOND_PERSON.get(word, word) for word in own]
        pairs, runs = ([*_runs(own, length), *_runs(turned, length)] for length in (2, 3))
        self._last = _Turn(self._stems(own), frozenset(pairs), frozenset(runs))

    def known(self, stems: Sequence[str]) -> float:
        """The share of these stems that the patient has said; 1 if there are none."""
        said = sum(root in self._last.stems or root in self._said for root in stems)
        return said / len(stems) if stems else 1.0

    def hear(self, text: Words) -> Uptake:
        """Compare the therapist's next turn with the turns before, and add it to them."""
        framed = self._framed_sentences(text)
        new = self._new(text, framed)
        credit, strays, put_in, around, taken, stems = 0.0, 0.0, 0.0, 0, set[str](), set[str]()
        together, read_back, copied, pairs = False, 0.0, 0, 0
        for sentence, question in new:
            these = self._stems(sentence)
            now = these & self._last.stems
            before = (these - now) & self._said
            both = now | before
            value, own = self._credit(now - taken, before - taken), fsum(map(specificity, these - both))
            copies, length = self._copies(sentence)
            copied, pairs = copied + copies, pairs + length
            fresh = 1 - _between(copies / max(1, length), *READ_BACK)
            read_back = max(read_back, 1 - fresh)
            put = OWN_WORDS + (1 - OWN_WORDS) * min(1.0, (own + JOINED * max(0, len(both) - 1)) / PUT)
            credit += put * value * fresh * (ASKED if question else 1.0)
            put_in += 0.0 if question else own
            around += 0 if question else len(sentence) - len(now)
            together = together or (fresh > 0.5 and _together(now, before))
            strays += own if value < TOUCHED else 0.0
            stems |= these
            taken |= both
        said = [sentence for sentence, _ in new]
        parroted = self._parroted(said, copied / pairs, stems) if pairs else 0.0
        same = self._same(text, said, framed)
        self._taken |= taken
        focus = credit / (credit + STRAYS * max(0.0, strays - ROOM)) if credit else 0.0
        return Uptake(
            taken_up=focus * (1 - exp(-ENOUGH * credit)),
            parroted=parroted,
            same=same,
            own=min(1.0, put_in / PUT_IN),
            strange=_between(strays, 2.0, 6.0) if credit < TOUCHED else 0.0,
            around=min(1.0, around / AROUND),
            words=len(taken),
            joined=together,
            read_back=read_back,
            matter=len(self._last.stems),
        )

    def _credit(self, now: Set[str], before: Set[str]) -> float:
        """The value of taking up these stems of the patient's last turn, and these of the turns before it."""
        value = fsum(map(self._value, now)) if now else 0.0
        if before:
            value += EARLIER * fsum([self._value(root) for root in before if specificity(root) >= REMEMBERED])
        return value

    def _new(self, text: Words, framed: Sequence[tuple[str, ...]]) -> list[tuple[tuple[str, ...], bool]]:
        """The sentences that are new in words and in frame, each with whether it is a question; add all to memory.

        A sentence below `SENTENCE` words always has new words.
        """
        new = []
        for (start, end, question), frame in zip(text.sentences, framed, strict=True):
            sentence = text.words[start:end]
            if sentence not in self._sentences and not self._worn(frame):
                new.append((sentence, question))
            if len(sentence) >= SENTENCE:
                self._sentences.add(sentence)
            self._framed[frame] += 1
        return new

    def _worn(self, frame: tuple[str, ...]) -> bool:
        """Whether a frame was used too often before; frames of nods do not count."""
        return _GAP in frame and len(frame) >= 3 and self._framed[frame] >= (1 if len(frame) >= LONG_FRAME else 2)

    def _value(self, root: str) -> float:
        """The specificity of a stem, less if it was taken up before."""
        return specificity(root) * (TAKEN if root in self._taken else 1.0)

    def _copies(self, sentence: tuple[str, ...]) -> tuple[int, int]:
        """How many of a sentence's word pairs stand in the patient's last turn, and how many it has."""
        pairs = list(map(hash, pairwise(sentence)))
        return sum(map(self._last.pairs.__contains__, pairs)), len(pairs)

    def _parroted(self, new: Sequence[tuple[str, ...]], copied: float, stems: set[str]) -> float:
        """From 0 to 1, by the share of word pairs `copied`, by runs of earlier turns, and by the share of stems taken up."""
        parroted = _between(copied, *COPIED)
        if runs := [run for sentence in new for run in _runs(sentence)]:
            parroted = max(parroted, _between(sum(map(self._said_runs.__contains__, runs)) / len(runs), *COPIED))
        taken = len(stems & self._last.stems)
        return max(parroted, _between(taken / len(stems), 0.7, 1.0) if len(stems) >= 5 else 0.0)

    def _same(self, text: Words, new: Sequence[tuple[str, ...]], framed: Sequence[tuple[str, ...]]) -> float:
        """How much was said before, from 0 to 1: the highest of sentences, words, phrases and frames."""
        old = 1 - sum(map(len, new)) / len(text.words)
        if len(text.words) <= BACKCHANNEL:
            return _between(old, *SAME) if any(_GAP in frame for frame in framed) else 0.0
        runs = _runs(text.words)
        same = max(
            _between(sum(map(self._runs.__contains__, runs)) / len(runs), *SAME),
            _between(old, *SAME),
        )
        phrases = set(_runs(text.words, PHRASE))
        times = self._phrases.get
        same = max(same, _between(max([times(phrase, 0) for phrase in phrases], default=0), *WORN))
        self._phrases.update(phrases)
        frame = frozenset(_runs(list(chain.from_iterable(framed))))
        if len(frame) >= 3 and same < 1:
            nearest = max([len(frame & other) for other in self._frames], default=0) / len(frame)
            same = max(same, _between(nearest, *SAME_FRAME))
        self._frames[frame] = None
        self._runs.update(runs)
        return same

    def _framed_sentences(self, text: Words) -> list[tuple[str, ...]]:
        """The frames of the sentences; several content words in a row make one gap."""
        sentences: list[tuple[str, ...]] = []
        for start, end, question in text.sentences:
            framed: list[str] = []
            for word in text.words[start:end]:
                kept = word if word in self._common or stem(word) in STOCK else _GAP
                if kept != _GAP or framed[-1:] != [_GAP]:
                    framed.append(kept)
            sentences.append((*framed, "?" if question else "."))
        return sentences

    def _stems(self, tokens: Sequence[str]) -> frozenset[str]:
        return frozenset([stem(word) for word in tokens if word not in self._common])


def _together(now: Set[str], before: Set[str]) -> bool:
    """Whether a sentence connects two of the patient's words; everyday words of earlier turns do not count."""
    return len(now) >= 2 or len(now) + sum(specificity(root) >= JOINS for root in before) >= 2


def _runs(tokens: Sequence[str], length: int = 3) -> list[int]:
    """Hashes of all runs of `length` words, in order; they take a third of the memory of the words."""
    if length == 3:
        return list(map(hash, zip(tokens, tokens[1:], tokens[2:], strict=False)))
    return list(map(hash, zip(*[tokens[start:] for start in range(length)], strict=False)))


def _between(value: float, low: float, high: float) -> float:
    """Linear from 0 at `low` to 1 at `high`, clipped."""
    return max(0.0, min(1.0, (value - low) / (high - low)))
