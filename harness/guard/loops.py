"""Finds turns in which a speaker repeats itself or copies the other one.

Invariants:
- A turn is split once (`features`). Of old turns, a session keeps bit masks, which exclude most comparisons at once,
  and the words, in which the remaining ones are looked up. So results are exact, a turn costs about the same late in
  a session, and a thousand sessions fit in memory.
- Topics may recur, acts may not. So single words never count for statements; whole clauses, questions, phrases and
  openings do.
"""

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from harness.config.guard import GuardConfig
from harness.guard.features import QUESTION_STEMS, RUN_BITS, SESSION_BITS, Clause, Features, runs
from harness.text.words import FUNCTION_WORDS, Said, Sentence, word_set
from harness.types import Speaker

_MEMORY = 12
"""Number of own earlier turns that a turn is compared with for `repeat`."""
_SHORT = 8
"""Turns with fewer words may be ordinary courtesies; `repeat` ignores them."""
_ANSWER = 12
"""Turns with fewer words may contain the other speaker's words, as answers and simple reflections do."""
_REFLECTION = 25
"""A therapist turn of at most this many words may give the patient's words back in the second person."""
_SPEAKS_OF_SELF = frozenset(("i", "i'm", "i've", "i'd", "i'll", "my", "me", "myself"))
_COMBINED_SHARE, _COMBINED_WORDS = 0.9, 16
"""Least share and least number of words for a turn composed of several earlier turns to be a repeat."""
LOOPING_SHARE = 0.08
"""Least share of a turn's clauses that must recur, so that a long turn is not a loop because of one clause."""
LOOPING_WORDS = 0.05
"""The same for the words of a sentence or phrase."""
NAMING_WORDS = 0.15
"""The same for a phrase that only names something, because a topic is named in every turn about it."""
_ACT_WORDS = FUNCTION_WORDS - word_set(
    "a an and as at by for from in into of on onto or over the to under with without like"
)
"""Function words; a phrase without any of them only names something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in one turn; becomes an event."""

    kind: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Old:
    """What is kept of every earlier turn that is compared."""

    index: int
    begin: int
    end: int
    """Its words in `_Words` are from `begin` to `end`."""
    mask: int
    """`Features.mask` of the turn."""


@dataclass(frozen=True, slots=True)
class _InWindow:
    """What is kept in addition of the turns in the window for loops."""

    old: _Old
    clauses: tuple[tuple[tuple[str, ...], bool], ...]
    """(stems, whether it is a question or request) for each clause."""
    clause_mask: int
    """The masks of all its clauses together."""
    sentences: tuple[int, ...]
    """Hashes of its sentences."""
    opening: str


class _Words:
    """All words of a speaker in order, for looking up runs of words."""

    def __init__(self) -> None:
        self._text = " "
        self._lengths = array("i")
        """Number of words of each sentence; negative for a question."""
        self._mask = 0
        """The wide mask of all its runs."""

    def add(self, turn: Features) -> tuple[int, int]:
        """Add a turn; the range of its words, as `_Old.begin` and `_Old.end`."""
        begin = len(self._text) - 1
        self._text += f"{' '.join(turn.said.words)} "
        end = len(self._text)
        self._text += "\n "  # so that no run spans two turns
        self._lengths.extend([-len(words) if question else len(words) for words, question in turn.said.sentences])
        self._mask |= turn.wide_mask
        return begin, end

    def said(self) -> Iterator[Said]:
        """The turns in order, as words and sentences."""
        lengths = iter(self._lengths)
        for turn in self._text.split("\n")[:-1]:
            words, sentences, end = tuple(turn.split()), list[Sentence](), 0
            while end < len(words):
                length = next(lengths)
                begin, end = end, end + abs(length)
                sentences.append(Sentence(words[begin:end], length < 0))
            yield Said(words, tuple(sentences))

    def holding(self, run: Sequence[str], turns: Iterable[_Old]) -> list[int]:
        """Indices of the turns that contain the run."""
        text, run_text = self._text, f" {' '.join(run)} "
        return [turn.index for turn in turns if text.find(run_text, turn.begin, turn.end) >= 0]

    def said_since(self, word: str, begin: int) -> bool:
        """Whether a word occurs at or after the position `begin`."""
        return self._text.find(f" {word} ", begin) >= 0

    def shared(self, turn: Features, old: _Old) -> int:
        """Number of the turn's different runs that an old turn contains."""
        return len({*runs(turn.words)}.intersection(runs(self._text[old.begin : old.end].split())))

    def shared_with_all(self, turn: Features, least: float) -> int:
        """Number of the turn's different runs that occur in any earlier turn; 0 if fewer than `least`."""
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
    """The turns of one speaker so far."""

    def __init__(self, speaker: Speaker, config: GuardConfig) -> None:
        self._speaker = speaker
        self._config = config
        self._recent: deque[_Old] = deque(maxlen=max(_MEMORY, config.window - 1))
        self._window: deque[_InWindow] = deque(maxlen=config.window - 1)
        self._words = _Words()

    def add(self, turn: Features) -> None:
        """Add an accepted turn."""
        old = _Old(turn.index, *self._words.add(turn), turn.mask)
        self._recent.append(old)
        mask = 0
        for clause in turn.clauses:
            mask |= clause.mask
        clauses = tuple([(tuple(clause.stems), clause.asks) for clause in turn.clauses])
        self._window.append(_InWindow(old, clauses, mask, tuple(map(hash, turn.sentences)), turn.opening))

    def said(self) -> Iterator[Said]:
        """The turns in order, rebuilt from memory in a quarter of the time that parsing takes."""
        return self._words.said()

    def loops(self, turn: Features, other: "SpeakerHistory | None" = None) -> list[Finding]:
        """What recurs in most of the last turns: at most one finding per form.

        A statement or phrase that only names a topic of the `other` speaker, too, is not a loop.
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
        """A finding if the turn is nearly one earlier turn, or composed of several."""
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
        """A finding if the turn repeats itself: most of its runs of words occurred earlier in it."""
        again = len(turn.hashes) - turn.different
        if len(turn.words) < 2 * _SHORT or again < self._config.stutter_share * len(turn.hashes):
            return None
        return Finding("stutter", {"share": round(again / len(turn.hashes), 3)})

    def copied_by(self, turn: Features) -> Finding | None:
        """A finding if `turn`, of the other speaker, copies one of this speaker's last three turns.

        Short turns are left out, because an answer or a simple reflection contains the other's words, too. For a
        therapist without "I" or "my", that means up to `_REFLECTION` words, else below `_ANSWER`.
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
        """The first of `turns` with at least `least` of the turn's different runs, and their number; else (None, 0)."""
        mask, least_bits = turn.mask, least - turn.hidden
        for old in [old for old in turns if (mask & old.mask).bit_count() >= least_bits]:
            shared = self._words.shared(turn, old)
            if shared >= least:
                return old, shared
        return None, 0

    def _clause_loop(
        self, turn: Features, window: Sequence[_InWindow], other: "SpeakerHistory | None"
    ) -> Finding | None:
        """The clause that most turns of the window contain, too. A patient's questions need fewer turns."""
        best: tuple[list[int], Clause] | None = None
        wanted = max(1, ceil(LOOPING_SHARE * len(turn.clauses)))
        looping = 0
        for clause in turn.clauses:
            alone = clause.asks and self._speaker is Speaker.PATIENT
            needed = (self._config.question_turns if alone else self._config.loop_turns) - 1
            mask, least = clause.mask, self._least_bits(clause, alone)
            near = [entry for entry in window if (mask & entry.clause_mask).bit_count() >= least]
            if len(near) < needed or (wanted == 1 and best is not None and len(near) <= len(best[0])):
                continue
            turns = [entry.old.index for entry in near if self._holds(entry, clause, alone)]
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

    def _holds(self, entry: _InWindow, clause: Clause, alone: bool) -> bool:
        """Whether an earlier turn has a similar clause: enough common content words, by number and by Jaccard index.

        A single common word is enough only if a patient asks twice (`alone`); answers share the topic anyway.
        """
        own, similarity = clause.stems, self._config.similarity
        for stems, asks in entry.clauses:
            common = own.intersection(stems)
            if not common or len(common) < similarity * (len(own) + len(stems) - len(common)):
                continue
            if len(common - QUESTION_STEMS) >= (1 if alone and asks else 2):
                return True
        return False

    def _least_bits(self, clause: Clause, alone: bool) -> float:
        """Least number of common bits between the clause and a turn for which `_holds` can be true."""
        hidden = len(clause.stems) - clause.mask.bit_count()
        return max(self._config.similarity * len(clause.stems), 1 if alone else 2) - hidden

    def _phrase_loop(
        self, turn: Features, window: Sequence[_InWindow], other: "SpeakerHistory | None"
    ) -> Finding | None:
        """The run of four words that most turns of the window contain, too."""
        least = min(self._config.loop_turns, self._config.opening_turns) - 1
        often = _in_at_least(least, [entry.old.mask for entry in window])
        if not often & turn.mask:
            return None
        recent, found = [entry.old for entry in window], dict[tuple[str, ...], list[int]]()
        covered, named = set[int](), set[int]()
        """Positions of words in recurring phrases, and in recurring phrases that only name something."""
        for start, value in enumerate(turn.hashes[:-1]):
            if often >> (value % RUN_BITS) & 1:
                gram = turn.words[start : start + 4]
                if gram not in found:
                    found[gram] = self._words.holding(gram, recent)
                if self._is_worn(gram, found[gram]) and not _is_topic(gram, other):
                    (named if _ACT_WORDS.isdisjoint(gram) else covered).update(range(start, start + 4))
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
        """Whether a phrase has a content word and occurs in enough turns."""
        content = sum(word not in FUNCTION_WORDS for word in gram)
        needed = self._config.loop_turns if content >= 2 else self._config.opening_turns
        return bool(content) and len(turns) >= needed - 1

    def speaks_of(self, words: Iterable[str]) -> bool:
        """Whether this speaker used one of these words in the window."""
        begin = self._window[0].old.begin if self._window else 0
        return any(self._words.said_since(word, begin) for word in words)

    def _opening_loop(self, turn: Features, window: Sequence[_InWindow]) -> Finding | None:
        turns = [entry.old.index for entry in window if entry.opening == turn.opening]
        if not turn.opening or len(turns) < self._config.opening_turns - 1:
            return None
        return Finding("loop", {"form": "opening", "what": turn.opening, "turns": [*turns, turn.index]})

    def _sentence_loop(self, turn: Features, window: Sequence[_InWindow]) -> Finding | None:
        said = {hash(sentence): sentence for sentence in turn.sentences}
        again = [said[value] for entry in window for value in entry.sentences if value in said]
        if not again:
            return None
        counts = Counter(again)
        what, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if times < self._config.loop_turns - 1 or len(what) < LOOPING_WORDS * len(turn.words):
            return None
        turns = [entry.old.index for entry in window if hash(what) in entry.sentences]
        return Finding("loop", {"form": "sentence", "what": " ".join(what), "turns": [*turns, turn.index]})


def _is_topic(words: Sequence[str], other: SpeakerHistory | None) -> bool:
    """Whether words only name something (without `you` or an auxiliary verb) that the other speaker names, too."""
    if other is None or not _ACT_WORDS.isdisjoint(words):
        return False
    content = [word for word in words if word not in FUNCTION_WORDS]
    return len(content) >= 2 and other.speaks_of(content)


def _in_at_least(times: int, masks: Sequence[int]) -> int:
    """The bits that are set in at least `times` masks."""
    levels = [0] * times
    for mask in masks:
        for level in range(times - 1, 0, -1):
            levels[level] |= levels[level - 1] & mask
        levels[0] |= mask
    return levels[-1]
