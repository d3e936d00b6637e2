"""What a patient remembers of a session while listening: its own words, and what the therapist has said before.

Invariants:
- What a turn takes up of the patient's own words, and whether it was said before, depends on the turns before it alone:
  a listener that heard the same turns hears the next one alike.
- Memory grows with the words that are different, never with the number of times they were said.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import exp, fsum
from typing import NamedTuple

from harness.agents.cues import Words
from harness.agents.english import STOCK, telling
from harness.text.words import FUNCTION_WORDS, parse, stem

ASKED = 0.5
"""What it is worth to take up the patient's words in a question, beside a statement: it asks on, and gives back little."""
EARLIER = 0.5
"""What taking up an earlier turn is worth beside taking up the last one."""
REMEMBERED = 0.4
"""How telling a word of an earlier turn must be to count: everyday words come back by chance."""
JOINS = 0.3
"""The same to be brought together with another: everyday words meet by chance."""
TOUCHED = 0.15
"""What a sentence must take up to be about what the patient said."""
ROOM, STRAYS = 2.0, 0.25
"""Telling words that a turn may have in sentences about something else, and how fast more of them lead away."""
TAKEN = 0.25
"""What it is worth to take up a word once more."""
ENOUGH = 1.15
"""How fast taking up saturates: with one telling word of the patient's two thirds are reached."""
OWN_WORDS = 0.08
"""What taking up is worth where nothing telling of the therapist's own stands beside it: a word dropped into a frame."""
PUT = 1.2
"""How much of its own, in telling words of the same sentence, puts what was said into other words."""
JOINED = 0.4
"""What it adds to that to bring a further word of the patient's into the same sentence."""
PUT_IN = 2.0
"""The same for a whole turn."""
COPIED = 0.2, 0.5
"""Share of a turn's word pairs copied from the patient's last turn (`I` as `you` and the like), sentences that were said
before left out: from where it is parroting, and where it is nothing else."""
READ_BACK = 0.3, 0.6
"""The same of one sentence, which then takes nothing up."""
SAME = 0.3, 0.7
"""Share of a turn that the therapist said before in the same words: from where it is noticed, and where it is all."""
SAME_FRAME = 0.5, 0.85
"""The same for a turn with its matter left out, against one earlier turn: what a template with gaps leaves."""
SENTENCE = 3
"""Words from which a sentence that comes back is one said before."""
PHRASE = 5
"""Words of a phrase that nobody says twice by chance."""
WORN = 0, 3
"""Earlier turns with such a phrase: from where it is noticed, and where it is all that is heard."""
AROUND = 5
"""Words of its own in statements from which on a turn says something itself."""
LONG_FRAME = 5
"""Parts of a sentence's frame from which its coming back once is no chance; a shorter one may come back once."""
BACKCHANNEL = 4
"""Words up to which a turn is no more than a nod, which may come back."""

_GAP = "_"
_TURNED = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "am": "are", "i'm": "you",
    "i've": "you", "i'd": "you", "i'll": "you", "we": "you", "our": "your", "was": "were",
}  # fmt: skip
"""A patient's words as a therapist gives them back."""


class Uptake(NamedTuple):
    """How a therapist's turn stands to what was said before; each from 0 to 1."""

    taken_up: float
    """How much of the patient's own it gives back in other words."""
    parroted: float
    """How much of it is the patient's last turn, word for word."""
    same: float
    """How much of it the therapist has said before."""
    own: float
    """How much it puts of its own, in telling words."""
    strange: float
    """How much there is of its own, in telling words, and nothing of the patient's."""
    around: float
    """How much it says in words of its own, everyday words counted in."""
    words: int
    """How many telling words of the patient's it takes up."""
    joined: bool
    """Whether it brings several of them together in one sentence."""
    read_back: float
    """How much one of its sentences is the patient's last turn, word for word."""
    matter: int
    """Telling words of the patient's last turn: what there was to take up."""


@dataclass(slots=True)
class _Turn:
    """The last patient turn."""

    stems: frozenset[str] = frozenset()
    pairs: frozenset[int] = frozenset()
    """Of its words as the therapist would say them."""
    runs: frozenset[int] = frozenset()
    """The same, three words in a row."""


class Memory:
    """What one patient has said and heard so far."""

    def __init__(self, common: frozenset[str] = FUNCTION_WORDS) -> None:
        """`common` are the words of the language that tell nothing."""
        self._common = common
        self._said: set[str] = set()
        self._last = _Turn()
        self._said_runs: set[int] = set()
        """Three words in a row of all turns before the last, as the therapist would say them."""
        self._taken: set[str] = set()
        self._runs: set[int] = set()
        self._sentences: set[tuple[str, ...]] = set()
        self._framed: Counter[tuple[str, ...]] = Counter()
        self._phrases: Counter[int] = Counter()
        self._frames: dict[frozenset[int], None] = {}
        """In order, each once."""

    def say(self, text: str) -> None:
        """The patient's next turn."""
        own = parse(text).said.words
        self._said |= self._last.stems
        self._said_runs |= self._last.runs
        turned = [_TURNED.get(word, word) for word in own]
        pairs, runs = ([*_runs(own, length), *_runs(turned, length)] for length in (2, 3))
        self._last = _Turn(self._stems(own), frozenset(pairs), frozenset(runs))

    def known(self, stems: Sequence[str]) -> float:
        """Of these the share that the patient has said; 1 of none."""
        said = sum(root in self._last.stems or root in self._said for root in stems)
        return said / len(stems) if stems else 1.0

    def hear(self, text: Words) -> Uptake:
        """How the therapist's turn stands to the turns before; then it is one of them."""
        framed = self._framed_sentences(text)
        new = self._new(text, framed)
        credit, strays, put_in, around, taken, stems = 0.0, 0.0, 0.0, 0, set[str](), set[str]()
        together, read_back = False, 0.0
        for sentence, question in new:
            these = self._stems(sentence)
            worth, own, joined = self._sentence(these - taken, these)
            fresh = 1 - self._copied(sentence)
            read_back = max(read_back, 1 - fresh)
            put = OWN_WORDS + (1 - OWN_WORDS) * min(1.0, (own + JOINED * joined) / PUT)
            credit += put * worth * fresh * (ASKED if question else 1.0)
            put_in += 0.0 if question else own
            around += 0 if question else len(sentence) - len(these & self._last.stems)
            together = together or (fresh > 0.5 and self._together(these))
            strays += own if worth < TOUCHED else 0.0
            stems |= these
            taken |= these & (self._last.stems | self._said)
        said = [sentence for sentence, _ in new]
        parroted = self._parroted(said, len(stems & self._last.stems), len(stems))
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

    def _sentence(self, first: frozenset[str], stems: frozenset[str]) -> tuple[float, float, int]:
        """What a sentence takes up (of the words that came `first` in it), how telling the rest of it is, and how many more
        words of the patient's than one it brings together."""
        now = stems & self._last.stems
        rest = stems - now
        before = rest & self._said
        worth = fsum(map(self._worth, now & first)) if now else 0.0
        if before:
            worth += EARLIER * fsum([self._worth(root) for root in before & first if telling(root) >= REMEMBERED])
        return worth, fsum(map(telling, rest - before)), max(0, len(now) + len(before) - 1)

    def _together(self, stems: frozenset[str]) -> bool:
        """Whether these bring two things of the patient's together, everyday words of earlier turns left out."""
        now = stems & self._last.stems
        return len(now) >= 2 or len(now) + sum(telling(root) >= JOINS for root in (stems & self._said) - now) >= 2

    def _new(self, text: Words, framed: Sequence[tuple[str, ...]]) -> list[tuple[tuple[str, ...], bool]]:
        """The sentences that the therapist has not said before, in these words or in this frame, and whether they ask; short
        ones count as new."""
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
        """Whether a sentence's frame, its matter left out, came too often before; nods don't count."""
        return _GAP in frame and len(frame) >= 3 and self._framed[frame] >= (1 if len(frame) >= LONG_FRAME else 2)

    def _worth(self, root: str) -> float:
        return telling(root) * (TAKEN if root in self._taken else 1.0)

    def _copied(self, sentence: tuple[str, ...]) -> float:
        """How much of a sentence is the patient's last turn read back, from 0 to 1."""
        pairs = list(map(hash, pairwise(sentence)))
        return _between(sum(map(self._last.pairs.__contains__, pairs)) / len(pairs), *READ_BACK) if pairs else 0.0

    def _parroted(self, new: Sequence[tuple[str, ...]], taken: int, stems: int) -> float:
        pairs = list(map(hash, chain.from_iterable(map(pairwise, new))))
        if not pairs:
            return 0.0
        copied = _between(sum(map(self._last.pairs.__contains__, pairs)) / len(pairs), *COPIED)
        if runs := [run for sentence in new for run in _runs(sentence)]:
            copied = max(copied, _between(sum(map(self._said_runs.__contains__, runs)) / len(runs), *COPIED))
        return max(copied, _between(taken / stems, 0.7, 1.0) if stems >= 5 else 0.0)

    def _same(self, text: Words, new: Sequence[tuple[str, ...]], framed: Sequence[tuple[str, ...]]) -> float:
        """By the sentences, by the words, and by the frames that are left without their matter."""
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
        """The sentences with their matter left out: a gap stands where a template has the patient's words."""
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


def _runs(tokens: Sequence[str], length: int = 3) -> list[int]:
    """Hashes of the runs of so many words, in order: a third of what the words themselves would take."""
    return list(map(hash, zip(*[tokens[place:] for place in range(length)], strict=False)))


def _between(value: float, low: float, high: float) -> float:
    """Where the value stands between the two, from 0 to 1."""
    return max(0.0, min(1.0, (value - low) / (high - low)))
