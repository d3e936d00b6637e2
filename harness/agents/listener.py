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
from harness.text.words import FUNCTION_WORDS, parse, stem, word_set

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
WORN = 0, 3
"""Earlier turns with the same five words in a row: repetition begins above the first number and is complete at the second.

Nobody says five words in a row twice by chance.
"""
AROUND = 5
"""A turn with this many words of its own in statements says something itself."""
LONG_FRAME = 5
"""A frame of at least this many parts is worn after one use; a shorter one after two."""
BACKCHANNEL = 4
"""A turn of at most this many words is only a nod, which may recur."""

_NEGATIONS = word_set(
    """
    no not never none nobody nothing isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't won't can't
    dont didnt isnt wasnt
    """
)
REACH = 3
"""A negation concerns this number of words after it."""
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


class _Sentence(NamedTuple):
    """A sentence of a therapist turn."""

    words: tuple[str, ...]
    question: bool
    begin: int
    """Index of its first word in the turn."""
    frame: tuple[str, ...]
    stems: Set[str]
    """Of its content words."""


@dataclass(slots=True)
class _Turn:
    """The last patient turn."""

    stems: frozenset[str] = frozenset()
    pairs: Set[int] = frozenset()
    """Hashes of its word pairs, as said and in the second person."""
    runs: Set[int] = frozenset()
    """The same for three words in a row."""


class Memory:
    """The words of both speakers so far in one session."""

    def __init__(self, common: frozenset[str] = FUNCTION_WORDS) -> None:
        """`common` are the words of the language without content of their own."""
        self._common = common
        self._said: set[str] = set()
        self._last = _Turn()
        self._claimed: list[Set[str]] = []
        """Stems of each new statement in the therapist's last turn."""
        self.contradicted = False
        """Whether the patient's last turn denies something claimed there ("there's no sister")."""
        self._said_runs: set[int] = set()
        """`_Turn.runs` of all patient turns before the last."""
        self._taken: set[str] = set()
        """Stems of the patient's that the therapist has taken up."""
        self._runs: set[int] = set()
        self._sentences: set[tuple[str, ...]] = set()
        self._framed: dict[tuple[str, ...], int] = {}
        """Frame of a sentence to the number of sentences with it."""
        self._phrases: Counter[int] = Counter()
        """Hashes of five words in a row, each as two runs with a common word, to the number of turns with them."""
        self._frames: dict[frozenset[int], None] = {}
        """The frames of each therapist turn, in order, each set once."""

    def say(self, text: str) -> None:
        """Add the patient's next turn."""
        own = parse(text).said.words
        self.contradicted = self._denies(own)
        self._said |= self._last.stems
        self._said_runs |= self._last.runs
        turned = [_SECOND_PERSON.get(word, word) for word in own]
        pairs = {*map(hash, pairwise(own)), *map(hash, pairwise(turned))}
        self._last = _Turn(self._stems(own), pairs, {*_runs(own), *_runs(turned)})

    def _denies(self, own: Sequence[str]) -> bool:
        """Whether a negation is right before something that the therapist claimed and the patient had not said."""
        if not self._claimed or _NEGATIONS.isdisjoint(own):
            return False
        near = {word for at, said in enumerate(own) if said in _NEGATIONS for word in own[at + 1 : at + 1 + REACH]}
        roots = {stem(word) for word in near - self._common} - self._said - self._last.stems
        return any(map(roots.intersection, self._claimed))

    def known(self, stems: Sequence[str]) -> float:
        """The share of these stems that the patient has said; 1 if there are none."""
        said = sum(root in self._last.stems or root in self._said for root in stems)
        return said / len(stems) if stems else 1.0

    def hear(self, text: Words) -> Uptake:
        """Compare the therapist's next turn with the turns before, and add it to them."""
        sentences = self._sentences_of(text)
        new = self._new(sentences)
        runs, twos = _runs(text.words), list(map(hash, pairwise(text.words)))
        last, said = self._last, self._said
        credit, strays, put_in, around, taken, stems = 0.0, 0.0, 0.0, 0, set[str](), set[str]()
        self._claimed.clear()
        together, read_back, copied, pairs, new_runs = False, 0.0, 0, 0, list[int]()
        for sentence in new:
            these, begin, length = sentence.stems, sentence.begin, len(sentence.words)
            now = these & last.stems
            before = (these & said) - now
            both = now | before
            own = fsum(map(specificity, these - both))
            copies = sum(map(last.pairs.__contains__, twos[begin : begin + length - 1]))
            copied, pairs = copied + copies, pairs + length - 1
            new_runs += runs[begin : begin + length - 2] if length > 2 else ()
            fresh = 1 - _between(copies / max(1, length - 1), *READ_BACK)
            read_back = max(read_back, 1 - fresh)
            value = self._credit(now - taken, before - taken) if both else 0.0
            if value:
                put = OWN_WORDS + (1 - OWN_WORDS) * min(1.0, (own + JOINED * max(0, len(both) - 1)) / PUT)
                credit += put * value * fresh * (ASKED if sentence.question else 1.0)
            if not sentence.question:
                self._claimed.append(these)
                put_in += own
                around += length - len(now)
            together = together or (fresh > 0.5 and _together(now, before))
            strays += own if value < TOUCHED else 0.0
            stems |= these
            taken |= both
        parroted = self._parroted(new_runs, copied / pairs, stems) if pairs else 0.0
        same = self._same(text, runs, new, sentences)
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
            matter=len(last.stems),
        )

    def _credit(self, now: Set[str], before: Set[str]) -> float:
        """The value of taking up these stems of the patient's last turn, and these of the turns before it."""
        value = fsum(map(self._value, now)) if now else 0.0
        if before:
            value += EARLIER * fsum([self._value(root) for root in before if specificity(root) >= REMEMBERED])
        return value

    def _new(self, sentences: Sequence[_Sentence]) -> list[_Sentence]:
        """The sentences that are new in words and in frame; add all to memory.

        A sentence below `SENTENCE` words always has new words.
        """
        new = []
        for sentence in sentences:
            if sentence.words not in self._sentences and not self._worn(sentence.frame):
                new.append(sentence)
            if len(sentence.words) >= SENTENCE:
                self._sentences.add(sentence.words)
            self._framed[sentence.frame] = self._framed.get(sentence.frame, 0) + 1
        return new

    def _worn(self, frame: tuple[str, ...]) -> bool:
        """Whether a frame was used too often before; frames of nods do not count."""
        return (
            _GAP in frame and len(frame) >= 3 and self._framed.get(frame, 0) >= (1 if len(frame) >= LONG_FRAME else 2)
        )

    def _value(self, root: str) -> float:
        """The specificity of a stem, less if it was taken up before."""
        return specificity(root) * (TAKEN if root in self._taken else 1.0)

    def _parroted(self, runs: Sequence[int], copied: float, stems: Set[str]) -> float:
        """From 0 to 1, by the share of word pairs `copied`, by runs of earlier turns, and by the share of stems taken up.

        `runs` and `stems` are those of the new sentences.
        """
        parroted = _between(copied, *COPIED)
        if runs:
            parroted = max(parroted, _between(sum(map(self._said_runs.__contains__, runs)) / len(runs), *COPIED))
        taken = len(stems & self._last.stems)
        return max(parroted, _between(taken / len(stems), 0.7, 1.0) if len(stems) >= 5 else 0.0)

    def _same(self, text: Words, runs: list[int], new: Sequence[_Sentence], sentences: Sequence[_Sentence]) -> float:
        """How much was said before, from 0 to 1: the highest of sentences, words, phrases and frames."""
        old = 1 - sum([len(sentence.words) for sentence in new]) / len(text.words)
        if len(text.words) <= BACKCHANNEL:
            return _between(old, *SAME) if any(_GAP in sentence.frame for sentence in sentences) else 0.0
        again = sum(map(self._runs.__contains__, runs))
        same = max(_between(again / len(runs), *SAME), _between(old, *SAME))
        self._runs.update(runs)
        phrases = {*map(hash, zip(runs, runs[2:], strict=False))}
        if again:
            times = max(filter(None, map(self._phrases.get, phrases)), default=0)
            same = max(same, _between(times, *WORN))
        self._phrases.update(phrases)
        frame = frozenset(_runs(list(chain.from_iterable([sentence.frame for sentence in sentences]))))
        if len(frame) >= 3 and same < 1:
            nearest = max(map(len, map(frame.__and__, self._frames)), default=0) / len(frame)
            same = max(same, _between(nearest, *SAME_FRAME))
        self._frames[frame] = None
        return same

    def _sentences_of(self, text: Words) -> list[_Sentence]:
        """The sentences of a turn; several content words in a row make one gap of the frame."""
        common, sentences = self._common, list[_Sentence]()
        for start, end, question in text.sentences:
            words, framed, stems, gap = text.words[start:end], list[str](), set[str](), False
            for word in words:
                if word in common:
                    framed.append(word)
                    gap = False
                    continue
                root = stem(word)
                stems.add(root)
                if root in STOCK:
                    framed.append(word)
                    gap = False
                elif not gap:
                    framed.append(_GAP)
                    gap = True
            framed.append("?" if question else ".")
            sentences.append(_Sentence(words, question, start, tuple(framed), stems))
        return sentences

    def _stems(self, tokens: Sequence[str]) -> frozenset[str]:
        return frozenset([stem(word) for word in tokens if word not in self._common])


def _together(now: Set[str], before: Set[str]) -> bool:
    """Whether a sentence connects two of the patient's words; everyday words of earlier turns do not count."""
    return len(now) >= 2 or len(now) + sum([specificity(root) >= JOINS for root in before]) >= 2


def _runs(tokens: Sequence[str]) -> list[int]:
    """Hashes of all runs of three words, in order; they take a third of the memory of the words."""
    return list(map(hash, zip(tokens, tokens[1:], tokens[2:], strict=False)))


def _between(value: float, low: float, high: float) -> float:
    """Linear from 0 at `low` to 1 at `high`, clipped."""
    return max(0.0, min(1.0, (value - low) / (high - low)))
