"""Splits a turn for comparison: clauses as content words, runs of three words, sentences, and the opening."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from operator import or_
from typing import NamedTuple

from harness.guard.patterns import Hinted
from harness.hearing.words import FILLERS, is_short_answer
from harness.text.memo import memo
from harness.text.words import FUNCTION_WORDS, Said, parse, stem

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
"""Crisis resources and safety wording, which a good therapist repeats."""
_PLAIN_OPENERS = FUNCTION_WORDS - {"let", "let's", "please"} | {"how", "why", "sounds", "thank", "thanks"}
QUESTION_STEMS = frozenset({"how", "why"})
_REQUESTS = frozenset(
    tuple(pair.split())
    for pair in ("can we", "can you", "could we", "could you", "need you", "need us", "want you", "would you")
)
_REQUEST_WORDS = frozenset({"please", *(first for first, _ in _REQUESTS)})
_SENTENCE = 4
"""Least number of words of a sentence that counts as repeated; a shorter one may be a courtesy."""
_STEM_BITS = 256
RUN_BITS = 1024
"""Bits for the runs of one turn."""
SESSION_BITS = 8 * RUN_BITS
"""Bits for the runs of a whole session; an hour of talk fills about a fifth of them."""

Run = tuple[str, str, str]


class Clause(NamedTuple):
    """A part of a sentence between punctuation marks."""

    words: tuple[str, ...]
    stems: frozenset[str]
    asks: bool
    """Whether it is part of a question or a request."""
    mask: int
    """A bit for each stem, by its hash. Clauses without a common bit have no common stem."""


@dataclass(frozen=True, slots=True)
class Features:
    """One turn, prepared for comparison."""

    index: int
    words: tuple[str, ...]
    """All words except sentences of crisis resources and safety wording, which are not compared."""
    said: Said
    """The whole turn."""
    hashes: tuple[int, ...]
    """Hashes of the runs of three words, in order."""
    different: int
    """Number of different runs."""
    wide_mask: int
    """A bit of `SESSION_BITS` for each run, by its hash."""
    mask: int
    """The same with `RUN_BITS`; kept for old turns."""
    hidden: int
    """Number of different runs minus the number of bits in `mask`."""
    clauses: tuple[Clause, ...]
    sentences: frozenset[tuple[str, ...]]
    """Sentences of at least four words, and the whole turn."""
    opening: str


def features(index: int, text: str) -> Features:
    """The features of the turn with this index and text."""
    parsed = parse(text)
    said = parsed.said
    safe = SAFETY.hinted(text.lower())
    kept = [i for i, sentence in enumerate(said.sentences) if not (safe and _speaks_of_safety(sentence.words))]
    whole_turn = len(kept) == len(said.sentences)
    tokens = said.words if whole_turn else tuple(chain.from_iterable([said.sentences[i].words for i in kept]))
    requests = not _REQUEST_WORDS.isdisjoint(tokens)
    parts: dict[tuple[frozenset[str], bool], Clause] = {}  # what a turn repeats is compared once
    short = is_short_answer(said.words)
    whole: set[tuple[str, ...]] = {tokens} if whole_turn and tokens and not short else set()
    for i in kept:
        sentence, clauses = said.sentences[i], parsed.clauses[i]
        if len(sentence.words) >= _SENTENCE:
            whole.add(sentence.words)
        for clause in clauses:
            stems = frozenset(filter(None, map(_meaning, clause)))
            asks = sentence.question or "how" in stems or (requests and _requests(clause))
            if (len(stems) < 2 and not asks) or stems <= QUESTION_STEMS or (stems, asks) in parts:
                continue  # a statement with one content word is too short to count as repeated
            parts[stems, asks] = Clause(clause, stems, asks, reduce(or_, map(_bit, stems)))
    hashes = tuple(map(hash, runs(tokens)))
    different, wide_mask = len(set(hashes)), _run_mask(hashes)
    mask = _folded(wide_mask)
    return Features(
        index,
        tokens,
        said,
        hashes,
        different,
        wide_mask,
        mask,
        different - mask.bit_count(),
        tuple(parts.values()),
        frozenset(whole),
        "" if short else opening(said.words),
    )


def _speaks_of_safety(words: Sequence[str]) -> bool:
    return SAFETY.search(" ".join(words)) is not None


def runs(words: Sequence[str]) -> "zip[Run]":
    """The runs of three words, in order."""
    return zip(words, words[1:], words[2:], strict=False)


def _run_mask(hashes: Sequence[int]) -> int:
    """The wide mask (`SESSION_BITS`) of runs with these hashes."""
    bits = bytearray(SESSION_BITS // 8)
    for bit in [value % SESSION_BITS for value in hashes]:
        bits[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(bits, "little")


def _folded(mask: int) -> int:
    """A wide mask reduced to `RUN_BITS`: bits whose positions are equal modulo `RUN_BITS` become one."""
    width = SESSION_BITS
    while width > RUN_BITS:
        width //= 2
        mask = (mask | mask >> width) & ((1 << width) - 1)
    return mask


@memo
def _meaning(word: str) -> str | None:
    """The stem of a content word; None for other words."""
    return None if word in FUNCTION_WORDS else stem(word)


@memo
def _bit(root: str) -> int:
    """The bit of a stem in `Clause.mask`."""
    return 1 << (hash(root) % _STEM_BITS)


def _requests(clause: Sequence[str]) -> bool:
    """Whether the words ask the listener to do something."""
    return "please" in clause or not _REQUESTS.isdisjoint(pairwise(clause))


def opening(tokens: Sequence[str]) -> str:
    """The first word of a turn without fillers; the first three if it is an everyday word."""
    start = 0
    while start < len(tokens) - 1 and tokens[start] in FILLERS:
        start += 1
    if start >= len(tokens):
        return ""
    if tokens[start] in _PLAIN_OPENERS:
        return " ".join(tokens[start : start + 3]) if len(tokens) - start >= 3 else ""
    return tokens[start]
