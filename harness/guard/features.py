"""A turn cut up for comparing: its clauses as content words, its runs of three words, its sentences, its opening."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import chain, pairwise
from operator import or_
from typing import NamedTuple

from harness.guard.patterns import Hinted
from harness.hearing.words import FILLERS, is_short_answer
from harness.text.words import FUNCTION_WORDS, Sentence, parse, stem

SAFETY = Hinted.any_of(
    (
        *(
            "988",
            "911",
            "999",
            "112",
            "116",
            "hotline",
            "helpline",
            "hot line",
            "help line",
            "life",
            "samaritan",
            "suicid",
        ),
        *("crisis", "emergency", "safe", "immediate", "yourself", "poison control"),
    ),
    r"\b(?:988|911|999|112|116 ?123|hot ?lines?|help ?lines?|lifelines?|samaritans|suicid\w*)\b",
    r"\b(?:crisis|emergency) (?:\w+ )?(?:lines?|services?|numbers?|rooms?|departments?|teams?|texts?|supports?|contacts?"
    r"|helplines?|resources?|counsell?ors?|centers?)\b",
    r"\bsafety (?:\w+ )?(?:plans?|checks?|steps?|net)\b|\bimmediate (?:danger|risk|safety)\b|\bpoison control\b",
    r"\b(?:stay|staying|keep you|keep yourself|keeping yourself|keeping you|feel|are you|you're|you are|be|remain|remaining"
    r"|you) (?:\w+ )?safe\b|\byour safety\b|\bsafe (?:right now|tonight|enough)\b",
    r"\b(?:hurt|hurting|harm|harming|kill|killing|injure) yourself\b|\b(?:end|ending|take|taking) your (?:own )?life\b",
)
"""Crisis resources and safety wording, which a good therapist says again."""
_PLAIN_OPENERS = FUNCTION_WORDS - {"let", "let's", "please"} | {"how", "why", "sounds", "thank", "thanks"}
QUESTION_STEMS = frozenset({"how", "why"})
_REQUESTS = frozenset(
    tuple(pair.split())
    for pair in ("can we", "can you", "could we", "could you", "need you", "need us", "want you", "would you")
)
_REQUEST_WORDS = frozenset({"please", *(first for first, _ in _REQUESTS)})
_SENTENCE = 4
"""Words from which on a sentence is told from an ordinary courtesy."""
_STEM_BITS = 256
RUN_BITS = 1024
"""Bits for the runs of one turn."""
SESSION_BITS = 8 * RUN_BITS
"""Bits for the runs of a whole session: an hour's session fills about a fifth of them."""

Run = tuple[str, str, str]


class Clause(NamedTuple):
    """A part of a sentence as its content words."""

    words: tuple[str, ...]
    stems: frozenset[str]
    asks: bool
    """Part of a question or a request."""
    mask: int
    """A bit for each stem, by its hash: clauses whose masks have no bit in common share no stem."""


@dataclass(frozen=True, slots=True)
class Features:
    """What comparing needs of one turn."""

    index: int
    words: tuple[str, ...]
    """Those that are compared: all but crisis resources and safety wording."""
    in_order: tuple[Sentence, ...]
    """All of its sentences."""
    hashes: tuple[int, ...]
    """Of the runs of three words, in order."""
    different: int
    """Number of different runs."""
    wide_mask: int
    """A bit of `SESSION_BITS` for each run, by its hash."""
    mask: int
    """The same with `RUN_BITS`: what is kept of an old turn."""
    hidden: int
    """How many different runs have no bit of their own."""
    clauses: tuple[Clause, ...]
    sentences: frozenset[tuple[str, ...]]
    """Sentences of at least four words, and the whole turn."""
    opening: str


def features(index: int, text: str) -> Features:
    """Cut a turn up."""
    parsed = parse(text)
    said = parsed.said
    safe = SAFETY.hinted(text.lower())
    kept = [place for place, sentence in enumerate(said.sentences) if not (safe and _speaks_of_safety(sentence.words))]
    whole_turn = len(kept) == len(said.sentences)
    tokens = said.words if whole_turn else tuple(chain.from_iterable(said.sentences[place].words for place in kept))
    requests = not _REQUEST_WORDS.isdisjoint(tokens)
    parts: dict[tuple[frozenset[str], bool], Clause] = {}  # what a turn says ten times is compared once
    whole: set[tuple[str, ...]] = {tokens} if whole_turn and tokens and not is_short_answer(tokens) else set()
    for sentence, clauses in ((said.sentences[place], parsed.clauses[place]) for place in kept):
        if len(sentence.words) >= _SENTENCE:
            whole.add(sentence.words)
        for clause in clauses:
            stems = frozenset(filter(None, map(_meaning, clause)))
            asks = sentence.question or "how" in stems or (requests and _requests(clause))
            if (len(stems) < 2 and not asks) or stems <= QUESTION_STEMS or (stems, asks) in parts:
                continue  # a statement with one content word says nothing that could come back
            parts[stems, asks] = Clause(clause, stems, asks, reduce(or_, map(_bit, stems)))
    hashes = tuple(map(hash, runs(tokens)))
    different, wide_mask = len(set(hashes)), _run_mask(hashes)
    mask = _folded(wide_mask)
    return Features(
        index,
        tokens,
        said.sentences,
        hashes,
        different,
        wide_mask,
        mask,
        different - mask.bit_count(),
        tuple(parts.values()),
        frozenset(whole),
        opening(said.words),
    )


def _speaks_of_safety(words: Sequence[str]) -> bool:
    return SAFETY.search(" ".join(words)) is not None


def runs(words: Sequence[str]) -> "zip[Run]":
    """The runs of three words, in order."""
    return zip(words, words[1:], words[2:], strict=False)


def _run_mask(hashes: Sequence[int]) -> int:
    """The wide mask of runs with these hashes."""
    bits = bytearray(SESSION_BITS // 8)
    for place in [value % SESSION_BITS for value in hashes]:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")


def _folded(mask: int) -> int:
    """A wide mask's bits by the lower part of their places."""
    width = SESSION_BITS
    while width > RUN_BITS:
        width //= 2
        mask = (mask | mask >> width) & ((1 << width) - 1)
    return mask


@lru_cache(maxsize=16384)
def _meaning(word: str) -> str | None:
    """The stem of a word; None for a word that carries no meaning."""
    return None if word in FUNCTION_WORDS else stem(word)


@lru_cache(maxsize=16384)
def _bit(root: str) -> int:
    """The bit of a stem."""
    return 1 << (hash(root) % _STEM_BITS)


def _requests(clause: Sequence[str]) -> bool:
    """Whether the words ask the listener to do something."""
    return "please" in clause or not _REQUESTS.isdisjoint(pairwise(clause))


def opening(tokens: Sequence[str]) -> str:
    """What a turn begins with, fillers left out: one telling word, or three where the first is an everyday one."""
    start = 0
    while start < len(tokens) - 1 and tokens[start] in FILLERS:
        start += 1
    if start >= len(tokens) or is_short_answer(tokens):
        return ""
    if tokens[start] in _PLAIN_OPENERS:
        return " ".join(tokens[start : start + 3]) if len(tokens) - start >= 3 else ""
    return tokens[start]
