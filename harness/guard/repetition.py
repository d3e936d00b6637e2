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

from harness.config.guard import GuardConfig
from harness.text import FUNCTION_WORDS, clauses, content_stems, ngrams, plain, sentences, word_set, words
from harness.types import Speaker

_MEMORY = 12
"""Own turns that a turn is compared with for `repeat`."""
_SHORT = 8
"""Turns with fewer words can't be told from ordinary courtesies; only verbatim loops count for them."""
_FILLERS = word_set("ah alright and but hmm mm mhm no oh ok okay right so sure uh um well yeah yes")
_PLAIN_OPENERS = FUNCTION_WORDS - {"let", "let's", "please"} | {"how", "why", "sounds", "thank", "thanks"}
_QUESTION_STEMS = frozenset({"how", "why"})
_REQUESTS = (
    "please",
    "can we",
    "can you",
    "could we",
    "could you",
    "need you to",
    "need us to",
    "want you to",
    "would you",
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence as its content words."""

    text: str
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
    """Runs of four words with at least one content word."""
    clauses: tuple[Clause, ...]
    stems: frozenset[str]
    sentences: frozenset[str]
    """Sentences of at least four words, and the whole turn, without punctuation."""
    opening: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in one turn; becomes an event."""

    kind: str
    data: dict[str, object]


def features(index: int, text: str) -> Features:
    """Cut a turn up."""
    tokens = tuple(words(text))
    content = [w not in FUNCTION_WORDS for w in tokens]
    phrases = frozenset(
        gram
        for i, gram in enumerate(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))
        if any(content[i : i + 4])
    )
    parts: list[Clause] = []
    whole: set[str] = {" ".join(tokens)} if tokens else set()
    for sentence in sentences(text):
        said = words(sentence)
        if len(said) >= 4:
            whole.add(" ".join(said))
        parts.extend(_clauses(sentence))
    stems: frozenset[str] = frozenset().union(*(part.stems for part in parts))
    return Features(index, tokens, ngrams(tokens, 3), phrases, tuple(parts), stems, frozenset(whole), opening(tokens))


def _clauses(sentence: str) -> list[Clause]:
    question = sentence.rstrip("\"'”’)* ").endswith(("?", "؟", "？"))
    found = []
    for text in clauses(sentence):
        stems = content_stems(words(text))
        if stems - _QUESTION_STEMS:
            low = plain(text)
            found.append(Clause(low, stems, question or "how" in stems or any(r in low for r in _REQUESTS)))
    return found


def opening(tokens: Sequence[str]) -> str:
    """The words that a turn begins with, fillers left out: one telling word, or three where the first is an everyday one."""
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
        if len(window) < self._config.loop_turns - 1:
            return []
        found = (
            self._clause_loop(turn, window),
            self._most_common("sentence", [turn.sentences & old.sentences for old in window], window, turn),
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
        best: tuple[list[int], Clause] | None = None
        near = [old for old in window if not turn.stems.isdisjoint(old.stems)]
        for clause in turn.clauses:
            shared = 1 if clause.asks and self._speaker is Speaker.PATIENT else 2
            if len(clause.stems) < shared:
                continue
            turns = [old.index for old in near if self._holds(old, clause, shared)]
            if best is None or len(turns) > len(best[0]):
                best = (turns, clause)
        if best is None or len(best[0]) < self._config.loop_turns - 1:
            return None
        form = "question" if best[1].asks else "statement"
        return Finding("loop", {"form": form, "what": best[1].text, "turns": [*best[0], turn.index]})

    def _holds(self, old: Features, clause: Clause, shared: int) -> bool:
        if clause.stems.isdisjoint(old.stems):
            return False
        similarity = self._config.similarity
        return any(
            other.asks == clause.asks and same(clause, other, similarity=similarity, shared=shared)
            for other in old.clauses
        )

    def _phrase_loop(self, turn: Features, window: Sequence[Features]) -> Finding | None:
        counts: Counter[tuple[str, ...]] = Counter()
        for old in window:
            counts.update(turn.phrases & old.phrases)
        for gram, times in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            matter = sum(w not in FUNCTION_WORDS for w in gram)
            if times >= (self._config.loop_turns if matter >= 2 else self._config.opening_turns) - 1:
                turns = [old.index for old in window if gram in old.phrases]
                return Finding("loop", {"form": "phrase", "what": " ".join(gram), "turns": [*turns, turn.index]})
        return None

    def _opening_loop(self, turn: Features, window: Sequence[Features]) -> Finding | None:
        turns = [old.index for old in window if old.opening == turn.opening]
        if not turn.opening or len(turns) < self._config.opening_turns - 1:
            return None
        return Finding("loop", {"form": "opening", "what": turn.opening, "turns": [*turns, turn.index]})

    def _most_common(
        self, form: str, shared: Sequence[frozenset[str]], window: Sequence[Features], turn: Features
    ) -> Finding | None:
        counts = Counter(item for items in shared for item in items)
        if not counts:
            return None
        what, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if times < self._config.loop_turns - 1:
            return None
        turns = [old.index for old in window if what in old.sentences]
        return Finding("loop", {"form": form, "what": what, "turns": [*turns, turn.index]})
