"""Finds a speaker that repeats itself or copies the other one.

Invariants:
- A turn is cut up once (`features`). Of an old turn a live session keeps little: bit masks that tell most comparisons at
  once, and its words, in which what the masks can't rule out is looked up. So what is found is exact, a turn costs the
  same however long the session is, and a thousand sessions fit in memory.
- Topics may come back, acts may not: single words never count for statements, whole clauses, questions, phrases and
  openings do.
"""

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil

from harness.config.guard import GuardConfig
from harness.guard.features import QUESTION_STEMS, RUN_BITS, SESSION_BITS, Clause, Features, runs
from harness.text.words import FUNCTION_WORDS, Said, Sentence, word_set
from harness.types import Speaker

_MEMORY = 12
"""Own turns that a turn is compared with for `repeat`."""
_SHORT = 8
"""Turns with fewer words can't be told from ordinary courtesies; only verbatim loops count for them."""
_ANSWER = 12
"""Turns with fewer words may take up the other's words as an answer or a simple reflection does."""
_REFLECTION = 25
"""Words up to which a therapist may give the patient's words back, turned to `you`."""
_SPEAKS_OF_SELF = frozenset(("i", "i'm", "i've", "i'd", "i'll", "my", "me", "myself"))
_COMBINED_SHARE, _COMBINED_WORDS = 0.9, 16
"""Share and length from which a turn put together from several turns is a repeat."""
LOOPING_SHARE = 0.08
"""Share of a turn's clauses that must come back, so that a long turn is no loop for one of its many clauses."""
LOOPING_WORDS = 0.05
"""The same for the words of a sentence or phrase."""
NAMING_WORDS = 0.15
"""The same for a phrase that only names something: who speaks of one thing for a while names it in every turn."""
_ACT_WORDS = FUNCTION_WORDS - word_set(
    "a an and as at by for from in into of on onto or over the to under with without like"
)
"""Function words that a phrase which only names something doesn't hold."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in one turn; becomes an event."""

    kind: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Old:
    """What is kept of an earlier turn."""

    index: int
    begin: int
    end: int
    """Where its words stand in `_Words`."""
    mask: int
    """Of its runs."""


@dataclass(frozen=True, slots=True)
class _Late:
    """What is kept besides of the turns in which loops are looked for."""

    old: _Old
    clauses: tuple[tuple[tuple[str, ...], bool], ...]
    """Stems, and whether it asks."""
    clause_mask: int
    """Of all its clauses."""
    sentences: tuple[int, ...]
    """Hashes of its sentences."""
    opening: str


class _Words:
    """All words that a speaker said, in order, in which runs of words can be looked up."""

    def __init__(self) -> None:
        self._text = " "
        self._lengths = array("i")
        """Words of every sentence; of a question as a negative number."""
        self._mask = 0
        """The wide mask of all its runs."""

    def add(self, turn: Features) -> tuple[int, int]:
        """Where the words of the turn now stand."""
        begin = len(self._text) - 1
        self._text += f"{' '.join(chain.from_iterable(sentence.words for sentence in turn.in_order))} "
        end = len(self._text)
        self._text += "\n "  # no run of words goes over it
        self._lengths.extend([-len(words) if question else len(words) for words, question in turn.in_order])
        self._mask |= turn.wide_mask
        return begin, end

    def said(self) -> Iterator[Said]:
        """Turn after turn."""
        lengths = iter(self._lengths)
        for turn in self._text.split("\n")[:-1]:
            words, sentences, end = tuple(turn.split()), list[Sentence](), 0
            while end < len(words):
                length = next(lengths)
                begin, end = end, end + abs(length)
                sentences.append(Sentence(words[begin:end], length < 0))
            yield Said(words, tuple(sentences))

    def holding(self, run: Sequence[str], turns: Iterable[_Old]) -> list[int]:
        """Indices of those turns in which the run stands."""
        text, run_text = self._text, f" {' '.join(run)} "
        return [turn.index for turn in turns if text.find(run_text, turn.begin, turn.end) >= 0]

    def said_since(self, word: str, begin: int) -> bool:
        """Whether a word stands at or after a place."""
        return self._text.find(f" {word} ", begin) >= 0

    def shared(self, turn: Features, old: _Old) -> int:
        """How many of the turn's different runs stand in an old one."""
        return len({*runs(turn.words)}.intersection(runs(self._text[old.begin : old.end].split())))

    def shared_with_all(self, turn: Features, least: float) -> int:
        """How many of the turn's different runs were ever said; 0 where that is fewer than `least`."""
        mask, text = self._mask, self._text
        if turn.different - (turn.wide_mask & ~mask).bit_count() < least:
            return 0
        likely = {
            run for run, value in zip(runs(turn.words), turn.hashes, strict=True) if mask >> (value % SESSION_BITS) & 1
        }
        found = len(likely)
        for run in likely:
            found -= f" {' '.join(run)} " not in text
            if found < least:
                return 0
        return found


class SpeakerHistory:
    """What one speaker has said lately."""

    def __init__(self, speaker: Speaker, config: GuardConfig) -> None:
        self._speaker = speaker
        self._config = config
        self._recent: deque[_Old] = deque(maxlen=max(_MEMORY, config.window - 1))
        self._window: deque[_Late] = deque(maxlen=config.window - 1)
        self._words = _Words()

    def add(self, turn: Features) -> None:
        old = _Old(turn.index, *self._words.add(turn), turn.mask)
        self._recent.append(old)
        mask = 0
        for clause in turn.clauses:
            mask |= clause.mask
        clauses = tuple((tuple(clause.stems), clause.asks) for clause in turn.clauses)
        self._window.append(_Late(old, clauses, mask, tuple(map(hash, turn.sentences)), turn.opening))

    def said(self) -> Iterator[Said]:
        """Its turns, one after the other: put together from what is kept, at a quarter of what cutting them up costs."""
        return self._words.said()

    def loops(self, turn: Features, other: "SpeakerHistory | None" = None) -> list[Finding]:
        """What comes back in most of the last turns: at most one finding a form.

        A phrase that only names what the `other` speaker speaks of, too, is a topic and no loop.
        """
        window = self._window
        if len(window) < self._config.question_turns - 1:
            return []
        found = (
            self._clause_loop(turn, window, other),
            self._sentence_loop(turn, window),
            self._phrase_loop(turn, window, other),
            self._opening_loop(turn, window),
        )
        return [finding for finding in found if finding is not None]

    def repeats(self, turn: Features) -> Finding | None:
        """Whether the turn is (nearly) one earlier turn, or put together from earlier turns."""
        if len(turn.words) < _SHORT:
            return None
        limit = self._config.repeat_share * turn.different
        old, shared = self._holder(turn, reversed(self._recent), limit)
        if old is not None:
            return Finding("repeat", {"of_turn": old.index, "share": round(shared / turn.different, 3)})
        if len(turn.words) < _COMBINED_WORDS:
            return None
        limit = max(_COMBINED_SHARE, self._config.repeat_share) * turn.different
        shared = self._words.shared_with_all(turn, limit)
        if shared >= limit:
            return Finding("repeat", {"of_turn": None, "share": round(shared / turn.different, 3)})
        return None

    def stutters(self, turn: Features) -> Finding | None:
        """Whether the turn says the same over and over: most of its runs of words were said earlier in it."""
        again = len(turn.hashes) - turn.different
        if len(turn.words) < 2 * _SHORT or again < self._config.stutter_share * len(turn.hashes):
            return None
        return Finding("stutter", {"share": round(again / len(turn.hashes), 3)})

    def copied_by(self, turn: Features) -> Finding | None:
        """Whether a turn of the other speaker copies one of this speaker's last turns.

        An answer and a simple reflection give words back, too: short turns are left out, and a therapist's where they
        turn the words to the patient.
        """
        if len(turn.words) < _ANSWER or (
            self._speaker is Speaker.PATIENT
            and len(turn.words) <= _REFLECTION
            and _SPEAKS_OF_SELF.isdisjoint(turn.words)
        ):
            return None
        old, shared = self._holder(turn, list(self._recent)[-3:], self._config.echo_share * turn.different)
        if old is None:
            return None
        return Finding("echo", {"of_turn": old.index, "share": round(shared / turn.different, 3)})

    def _holder(self, turn: Features, turns: Iterable[_Old], least: float) -> tuple[_Old | None, int]:
        """The first of some old turns that holds at least so many of the turn's different runs, and how many it holds."""
        mask, least_bits = turn.mask, least - turn.hidden
        for old in [old for old in turns if (mask & old.mask).bit_count() >= least_bits]:
            shared = self._words.shared(turn, old)
            if shared >= least:
                return old, shared
        return None, 0

    def _clause_loop(self, turn: Features, window: Sequence[_Late], other: "SpeakerHistory | None") -> Finding | None:
        """The clause that most of the window's turns hold too. A patient's questions and requests count soonest."""
        best: tuple[list[int], Clause] | None = None
        wanted = max(1, ceil(LOOPING_SHARE * len(turn.clauses)))
        looping = 0
        for clause in turn.clauses:
            alone = clause.asks and self._speaker is Speaker.PATIENT
            needed = (self._config.question_turns if alone else self._config.loop_turns) - 1
            mask, least = clause.mask, self._least_bits(clause, alone)
            near = [late for late in window if (mask & late.clause_mask).bit_count() >= least]
            if len(near) < needed or (wanted == 1 and best is not None and len(near) <= len(best[0])):
                continue
            turns = [late.old.index for late in near if self._holds(late, clause, alone)]
            if len(turns) < needed or (not clause.asks and _is_topic(clause.words, other)):
                continue
            looping += 1
            if best is None or len(turns) > len(best[0]):
                best = (turns, clause)
        if best is None or looping < wanted:
            return None
        turns, clause = best
        form = "question" if clause.asks else "statement"
        return Finding("loop", {"form": form, "what": " ".join(clause.words), "turns": [*turns, turn.index]})

    def _holds(self, late: _Late, clause: Clause, alone: bool) -> bool:
        """Whether an earlier turn has a clause that does the same: enough content words in common, absolutely and as a
        share (Jaccard).

        One common content word is enough only where a patient asks twice: who answers speaks of the same things anyway.
        """
        own, similarity = clause.stems, self._config.similarity
        for stems, asks in late.clauses:
            common = own.intersection(stems)
            if not common or len(common) < similarity * (len(own) + len(stems) - len(common)):
                continue
            if len(common - QUESTION_STEMS) >= (1 if alone and asks else 2):
                return True
        return False

    def _least_bits(self, clause: Clause, alone: bool) -> float:
        """Bits of a clause that are set wherever enough of its content words stand for `_holds`."""
        hidden = len(clause.stems) - clause.mask.bit_count()
        return max(self._config.similarity * len(clause.stems), 1 if alone else 2) - hidden

    def _phrase_loop(self, turn: Features, window: Sequence[_Late], other: "SpeakerHistory | None") -> Finding | None:
        """The run of four words that most of the window's turns hold too."""
        least = min(self._config.loop_turns, self._config.opening_turns) - 1
        often = _in_at_least(least, [late.old.mask for late in window])
        if not often & turn.mask:
            return None
        recent, found = [late.old for late in window], dict[tuple[str, ...], list[int]]()
        covered, named = set[int](), set[int]()
        """Places of words in phrases that come back, and of those in phrases that only name something."""
        for place, value in enumerate(turn.hashes[:-1]):
            if often >> (value % RUN_BITS) & 1:
                gram = turn.words[place : place + 4]
                if gram not in found:
                    found[gram] = self._words.holding(gram, recent)
                if self._is_worn(gram, found[gram]) and not _is_topic(gram, other):
                    (named if _ACT_WORDS.isdisjoint(gram) else covered).update(range(place, place + 4))
        least_share = LOOPING_WORDS if covered else NAMING_WORDS
        covered |= named
        if not covered or len(covered) < least_share * len(turn.words):
            return None
        worn = {
            gram: turns for gram, turns in found.items() if self._is_worn(gram, turns) and not _is_topic(gram, other)
        }
        gram, turns = min(worn.items(), key=lambda item: (-len(item[1]), item[0]))
        return Finding("loop", {"form": "phrase", "what": " ".join(gram), "turns": [*turns, turn.index]})

    def _is_worn(self, gram: Sequence[str], turns: Sequence[int]) -> bool:
        """Whether a phrase says something and stands in enough turns."""
        matter = sum(word not in FUNCTION_WORDS for word in gram)
        needed = self._config.loop_turns if matter >= 2 else self._config.opening_turns
        return bool(matter) and len(turns) >= needed - 1

    def speaks_of(self, words: Iterable[str]) -> bool:
        """Whether it said one of these words in its last turns."""
        begin = self._window[0].old.begin if self._window else 0
        return any(self._words.said_since(word, begin) for word in words)

    def _opening_loop(self, turn: Features, window: Sequence[_Late]) -> Finding | None:
        turns = [late.old.index for late in window if late.opening == turn.opening]
        if not turn.opening or len(turns) < self._config.opening_turns - 1:
            return None
        return Finding("loop", {"form": "opening", "what": turn.opening, "turns": [*turns, turn.index]})

    def _sentence_loop(self, turn: Features, window: Sequence[_Late]) -> Finding | None:
        said = {hash(sentence): sentence for sentence in turn.sentences}
        again = [said[value] for late in window for value in late.sentences if value in said]
        if not again:
            return None
        counts = Counter(again)
        what, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if times < self._config.loop_turns - 1 or len(what) < LOOPING_WORDS * len(turn.words):
            return None
        turns = [late.old.index for late in window if hash(what) in late.sentences]
        return Finding("loop", {"form": "sentence", "what": " ".join(what), "turns": [*turns, turn.index]})


def _is_topic(words: Sequence[str], other: SpeakerHistory | None) -> bool:
    """Whether words only name something (no `you`, no verb of grammar) that the other speaker speaks of, too."""
    if other is None or not _ACT_WORDS.isdisjoint(words):
        return False
    matter = [word for word in words if word not in FUNCTION_WORDS]
    return len(matter) >= 2 and other.speaks_of(matter)


def _in_at_least(times: int, masks: Sequence[int]) -> int:
    """The bits that are set in at least so many masks."""
    levels = [0] * times
    for mask in masks:
        for level in range(times - 1, 0, -1):
            levels[level] |= levels[level - 1] & mask
        levels[0] |= mask
    return levels[-1]
