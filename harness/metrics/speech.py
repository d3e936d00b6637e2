"""How one speaker talks: length, variety, questions, openings, reading ease. Sources in docs/metrics.md.

Invariant: shares are in [0, 1]; what can't be computed (no words, no turn) is None, never a made-up 0.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from harness.config.guard import GuardConfig
from harness.guard.features import features
from harness.guard.loops import SpeakerHistory
from harness.hearing.words import FILLERS, is_short_answer
from harness.metrics.registry import headline
from harness.metrics.repetition import Repetition
from harness.metrics.shares import deviation, mean, rounded, share
from harness.text.memo import memo
from harness.text.words import Said
from harness.types import Speaker, Turn

_VOWELS = re.compile(r"[aeiouy]+")
_VERY_SHORT = 3
"""Words; turns with at most so many are very short."""


@headline(
    "therapist.question_rate",
    label="therapist turns with a question",
    group="Style",
    share=True,
)
@headline(
    "therapist.words_per_turn",
    label="therapist's words per turn",
    group="Style",
)
def speech(own: Sequence[Said], words_of_all: int, repetition: Repetition, repeating: int) -> dict[str, Any]:
    """All measures of one speaker's turns.

    `words_of_all` is the number of words of both speakers; `repeating` is the number of turns that repeat earlier ones.
    """
    lengths = [len(turn.words) for turn in own]
    full = [turn for turn in own if turn.words and not is_short_answer(turn.words)]
    total = sum(lengths)
    questions = [sum([sentence.question for sentence in turn.sentences]) for turn in own]
    return {
        "turns": len(own),
        "words": total,
        "talk_share": share(total, words_of_all),
        "words_per_turn": rounded(mean(lengths)),
        "words_per_turn_sd": rounded(deviation(lengths)),
        "sentences_per_turn": rounded(mean([len(turn.sentences) for turn in own])),
        "very_short_turns": share(sum([length <= _VERY_SHORT for length in lengths]), len(own)),
        "distinct_1": share(len(set[str]().union(*[turn.words for turn in own])), total),
        "distinct_2": share(repetition.pairs, sum([len(turn.words) - 1 for turn in full])),
        "repeating_turns": share(repeating, len(own)),
        "repetition": repetition.repetition,
        "similarity": repetition.similarity,
        **repetition.worn_out,
        **common_opening(full),
        "question_rate": share(sum(map(bool, questions)), len(own)),
        "questions_per_turn": rounded(mean(questions)),
        "reading_ease": reading_ease(own),
    }


@headline(
    "therapist.repeating_turns",
    label="therapist turns that repeat",
    group="Repetition",
    share=True,
    better="lower",
)
@headline(
    "patient.repeating_turns",
    label="patient turns that repeat",
    group="Repetition",
    share=True,
    better="lower",
)
def count_repeating(turns: Sequence[Turn]) -> dict[Speaker, int]:
    """For each speaker, the number of turns in which the guard's detectors find a loop or a repeat.

    Computed from the texts with the detectors' defaults, so sessions under any guard settings can be compared.
    """
    histories = {speaker: SpeakerHistory(speaker, GuardConfig()) for speaker in Speaker}
    found = dict.fromkeys(Speaker, 0)
    for turn in turns:
        own, other = histories[turn.speaker], histories[turn.speaker.other]
        cut = features(turn.index, turn.text)
        found[turn.speaker] += bool(own.loops(cut, other) or own.repeats(cut))
        own.add(cut)
    return found


def common_opening(full: Sequence[Said]) -> dict[str, Any]:
    """The most frequent first word, and the share of turns that begin with it. Fillers (`well`) are skipped.

    `full` are the turns of one speaker without short answers (`mm-hmm`).
    """
    firsts = [word for turn in full if (word := _first_word(turn.words))]
    if not firsts:
        return {"opening": None, "opening_share": None}
    word, times = min(Counter(firsts).items(), key=lambda item: (-item[1], item[0]))
    return {"opening": word, "opening_share": share(times, len(firsts))}


def reading_ease(own: Sequence[Said]) -> float | None:
    """Flesch (1948) for English: 206.835 - 1.015 words per sentence - 84.6 syllables per word."""
    counts = list(map(syllables, chain.from_iterable([turn.words for turn in own])))
    english, sentences = len(counts) - counts.count(0), sum([len(turn.sentences) for turn in own])
    if not english or not sentences:
        return None
    return round(206.835 - 1.015 * english / sentences - 84.6 * sum(counts) / english, 1)


@memo
def syllables(word: str) -> int:
    """The number of vowel groups without a silent final e; at least 1 for ASCII words, 0 for others."""
    if not word.isascii():
        return 0
    groups = len(_VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith(("le", "ee", "ye")) and groups > 1
    return max(1, groups - silent)


def _first_word(tokens: Sequence[str]) -> str:
    return next((word for word in tokens if word not in FILLERS), "")
