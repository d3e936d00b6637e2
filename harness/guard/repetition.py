"""Finds a speaker that repeats itself or copies the other one.

Invariants:
- A turn is cut up once (`features`); comparing it costs set operations against a bounded number of recent turns, so
  the cost of a turn does not grow with the session.
- Topics may come back, acts may not: single words never count for statements, whole clauses, questions, phrases and
  openings do.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.config.guard import GuardConfig
from harness.text import FUNCTION_WORDS, Parsed, content_stems, ngrams, parse, word_set
from harness.types import Speaker

_MEMORY = 12
"""Own turns that a turn is compared with for `repeat`."""
_SHORT = 8
"""Turns with fewer words can't be told from ordinary courtesies; only verbatim loops count for them."""
_FILLERS = word_set("ah alright and but hmm mm mhm no oh ok okay right so sure uh um well yeah yes")
_PLAIN_OPENERS = FUNCTION_WORDS - {"let", "let's", "please"} | {"how", "why", "sounds", "thank", "thanks"}
_QUESTION_STEMS = frozenset({"how", "why"})
_REQUESTS = frozenset(
    tuple(pair.split())
    for pair in ("can we", "can you", "could we", "could you", "need you", "need us", "want you", "would you")
)
_SENTENCE = 4
"""Words from which on a sentence is told from an ordinary courtesy."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence as its content words."""

    words: tuple[str, ...]
    stems: frozenset[str]
    asks: bool
    """Part of a question or a request."""


@dataclass(frozen=True, slots=True)
class Features:
    """What comparing needs of one turn."""

    index: int
    words: tuple[str, ...]
    trigrams: frozenset[tuple[str, ...]]
    phrases: frozenset[tuple[str, ...]]
    """Runs of four words."""
    clauses: tuple[Clause, ...]
    stems: frozenset[str]
    sentences: frozenset[tuple[str, ...]]
    """Sentences of at least four words, and the whole turn."""
    opening: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in one turn; becomes an event."""

    kind: str
    data: dict[str, object]


def features(index: int, text: str | Parsed) -> Features:
    """Cut a turn up."""
    parsed = parse(text) if isinstance(text, str) else text
    tokens = parsed.words
    parts: list[Clause] = []
    whole: set[tuple[str, ...]] = {tokens} if tokens else set()
    for sentence in parsed.sentences:
        if len(sentence.words) >= _SENTENCE:
            whole.add(sentence.words)
        for clause in sentence.clauses:
            stems = content_stems(clause)
            if stems and not stems <= _QUESTION_STEMS:
                parts.append(Clause(clause, stems, sentence.question or "how" in stems or _requests(clause)))
    stems = frozenset().union(*(part.stems for part in parts))
    return Features(
        index, tokens, ngrams(tokens, 3), ngrams(tokens, 4), tuple(parts), stems, frozenset(whole), opening(tokens)
    )


def _requests(clause: Sequence[str]) -> bool:
    """Whether the words ask the listener to do something."""
    return "please" in clause or not _REQUESTS.isdisjoint(pairwise(clause))


def opening(tokens: Sequence[str]) -> str:
    """What a turn begins with, fillers left out: one telling word, or three where the first is an everyday one."""
    start = 0
    while start < len(tokens) - 1 and tokens[start] in _FILLERS:
        start += 1
    if start >= len(tokens):
        return ""
    if tokens[start] in _PLAIN_OPENERS:
        return " ".join(tokens[start : start + 3]) if len(tokens) - start >= 3 else ""
    return tokens[start]


def same(a: Clause, b: Clause, *, similarity: float, shared: int) -> bool:
    """Whether two clauses do the same: enough content words in common, absolutely and as a share (Jaccard)."""
    common = a.stems & b.stems
    return len(common - _QUESTION_STEMS) >= shared and len(common) >= similarity * len(a.stems | b.stems)


class Voice:
    """What one speaker has said lately."""

    def __init__(self, speaker: Speaker, config: GuardConfig) -> None:
        self._speaker = speaker
        self._config = config
        self._recent: deque[Features] = deque(maxlen=max(_MEMORY, config.window - 1))
        self._said: set[tuple[str, ...]] = set()

    def add(self, turn: Features) -> None:
        self._recent.append(turn)
        self._said |= turn.trigrams

    def loops(self, turn: Features) -> list[Finding]:
        """What comes back in most of the last turns: at most one finding a form."""
        window = list(self._recent)[-(self._config.window - 1) :]
        if len(window) < self._config.question_turns - 1:
            return []
        found = (
            self._clause_loop(turn, window),
            self._sentence_loop(turn, window),
            self._phrase_loop(turn, window),
            self._opening_loop(turn, window),
        )
        return [finding for finding in found if finding is not None]

    def repeats(self, turn: Features) -> Finding | None:
        """Whether the turn is (nearly) one earlier turn, or put together from earlier turns."""
        if len(turn.words) < _SHORT:
            return None
        limit = self._config.repeat_share * len(turn.trigrams)
        for old in reversed(self._recent):
            shared = len(turn.trigrams & old.trigrams)
            if shared >= limit:
                return Finding("repeat", {"of_turn": old.index, "share": round(shared / len(turn.trigrams), 3)})
        shared = len(turn.trigrams & self._said)
        if shared >= limit:
            return Finding("repeat", {"of_turn": None, "share": round(shared / len(turn.trigrams), 3)})
        return None

    def copied_by(self, turn: Features) -> Finding | None:
        """Whether a turn of the other speaker copies one of this speaker's last turns."""
        if len(turn.words) < _SHORT:
            return None
        for old in list(self._recent)[-3:]:
            shared = len(turn.trigrams & old.trigrams)
            if shared >= self._config.echo_share * len(turn.trigrams):
                return Finding("echo", {"of_turn": old.index, "share": round(shared / len(turn.trigrams), 3)})
        return None

    def _clause_loop(self, turn: Features, window: Sequence[Features]) -> Finding | None:
        """The clause that most of the window's turns hold too. A patient's questions and requests count soonest."""
        best: tuple[int, list[int], Clause] | None = None
        near = [old for old in window if not turn.stems.isdisjoint(old.stems)]
        for clause in turn.clauses:
            turns = [old.index for old in near if self._holds(old, clause)]
            asked = clause.asks and self._speaker is Speaker.PATIENT
            needed = (self._config.question_turns if asked else self._config.loop_turns) - 1
            if len(turns) >= needed and (best is None or len(turns) > best[0]):
                best = (len(turns), turns, clause)
        if best is None:
            return None
        _, turns, clause = best
        form = "question" if clause.asks else "statement"
        return Finding("loop", {"form": form, "what": " ".join(clause.words), "turns": [*turns, turn.index]})

    def _holds(self, old: Features, clause: Clause) -> bool:
        """Whether an earlier turn has a clause that does the same.

        One common content word is enough only where a patient asks twice: who answers speaks of the same things anyway.
        """
        if clause.stems.isdisjoint(old.stems):
            return False
        alone = clause.asks and self._speaker is Speaker.PATIENT
        return any(
            same(clause, other, similarity=self._config.similarity, shared=1 if alone and other.asks else 2)
            for other in old.clauses
        )

    def _phrase_loop(self, turn: Features, window: Sequence[Features]) -> Finding | None:
        counts: Counter[tuple[str, ...]] = Counter()
        for old in window:
            counts.update(turn.phrases & old.phrases)
        for gram, times in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            matter = sum(w not in FUNCTION_WORDS for w in gram)
            needed = self._config.loop_turns if matter >= 2 else self._config.opening_turns
            if matter and times >= needed - 1:
                turns = [old.index for old in window if gram in old.phrases]
                return Finding("loop", {"form": "phrase", "what": " ".join(gram), "turns": [*turns, turn.index]})
        return None

    def _opening_loop(self, turn: Features, window: Sequence[Features]) -> Finding | None:
        turns = [old.index for old in window if old.opening == turn.opening]
        if not turn.opening or len(turns) < self._config.opening_turns - 1:
            return None
        return Finding("loop", {"form": "opening", "what": turn.opening, "turns": [*turns, turn.index]})

    def _sentence_loop(self, turn: Features, window: Sequence[Features]) -> Finding | None:
        counts = Counter(item for old in window for item in turn.sentences & old.sentences)
        if not counts:
            return None
        what, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if times < self._config.loop_turns - 1:
            return None
        turns = [old.index for old in window if what in old.sentences]
        return Finding("loop", {"form": "sentence", "what": " ".join(what), "turns": [*turns, turn.index]})
