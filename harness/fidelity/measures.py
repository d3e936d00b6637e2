"""Measures of patients' turns: per turn, per session, and over the population.

Invariant: shares are in [0, 1]; what can't be computed is None, never a made-up 0. The word lists are English.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import log2
from statistics import fmean, median, pstdev, pvariance
from typing import Any

from harness.metrics.course import with_numbers
from harness.text.words import content_stems, parse, plain, words

SHORT = 3
"""Words; turns with at most so many are short."""
EARLY = 3
"""Exchanges within which no layer should be told."""
SOFT = 0.5
"""Openness at which a patient counts as softened."""
MOST_SESSIONS = 300
"""Most sessions whose wording is compared in pairs: the first ones."""
MOST_STEMS = 2000

_LISTS = {
    "disfluency": r"\b(?:uh|um|erm|hmm|er|i mean|you know|sort of)\b|\b(?:like|well),|\.\.\.|…|--| - |\b(\w+),? \1\b",
    "negation": r"\b(?:not|no|never|nothing|nobody|none|don'?t|can'?t|won'?t|didn'?t|isn'?t|wasn'?t|doesn'?t|couldn'?t)\b",
    "hedging": r"\b(?:maybe|perhaps|i guess|i suppose|i think|kind of|kinda|sort of|probably|i don'?t know|idk|dunno|might)\b",
    "helper": r"\bhow (?:can|may) i help\b|\bthank you for sharing\b|\bit sounds like you\b|\bi'm here to (?:help|listen)\b"
    r"|\bhow does that make you feel\b|\bthat makes sense\b|\bi appreciate you\b",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _LISTS.items()}
SHARES = ("short_turns", "questions", *_LISTS)
"""Measures that are shares of a session's patient turns."""


@dataclass(slots=True)
class PatientTurns:
    """Collects the patient turns of sessions, one session at a time."""

    lengths: list[int] = field(default_factory=list)
    """Words in each turn."""
    sessions: list[Mapping[str, float]] = field(default_factory=list)
    """Measures of each session."""
    personas: list[str] = field(default_factory=list)
    stems: list[frozenset[str]] = field(default_factory=list)
    """Stems of content words of the first sessions, for the similarity of wording."""
    outcomes: Counter[str] = field(default_factory=Counter)
    softened: list[int] = field(default_factory=list)
    slopes: list[float] = field(default_factory=list)
    told_early: int = 0
    contradictions: int = 0
    with_state: int = 0

    def add(
        self,
        texts: Sequence[str],
        persona: str = "",
        outcome: str | None = None,
        states: Sequence[Mapping[str, Any]] = (),
        faults: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Add the patient turns of a session, and its outcome, states and faults if known. Without turns, nothing is added."""
        if not texts:
            return
        lengths = [len(words(text)) for text in texts]
        self.lengths += lengths
        self.sessions.append(_of_session(texts, lengths))
        self.personas.append(persona)
        if len(self.stems) < MOST_SESSIONS:
            self.stems.append(frozenset(sorted(content_stems(words(" ".join(texts))))[:MOST_STEMS]))
        if outcome is not None:
            self.outcomes[outcome] += 1
        self.contradictions += sum(fault.get("reason") == "contradiction" for fault in faults)
        known = with_numbers(states, "trust", "openness", "told")
        if len(known) > 1:
            self._state(known)

    def _state(self, states: Sequence[Mapping[str, Any]]) -> None:
        self.with_state += 1
        self.slopes.append((float(states[-1]["trust"]) - float(states[0]["trust"])) / (len(states) - 1))
        opened = next((n for n, state in enumerate(states, 1) if float(state["openness"]) >= SOFT), None)
        self.softened += [opened] if opened is not None else []
        self.told_early += int(states[min(EARLY, len(states)) - 1]["told"]) > int(states[0]["told"])

    def measured(self) -> dict[str, Any]:
        """All measures: of turns, of sessions and of the population."""
        return {
            "sessions": len(self.sessions),
            "turns": len(self.lengths),
            "words_of_a_turn": _quantiles(self.lengths),
            "measures": {
                name: _quantiles([session[name] for session in self.sessions])
                for name in ("words_per_turn", "words_per_turn_sd", *SHARES)
            },
            "session": {
                "trust_slope": _quantiles(self.slopes),
                "first_softening": _quantiles(self.softened),
                "softened": _share(len(self.softened), self.with_state),
                "told_too_early": _share(self.told_early, self.with_state),
                "contradictions_per_session": _share(self.contradictions, len(self.sessions)),
            },
            "population": {
                "between_personas": self._between(),
                "likeness_of_wording": self._likeness(),
                "entropy_of_outcomes": _entropy(self.outcomes),
            },
        }

    def _between(self) -> float | None:
        """The share of the variance of words per turn that is between the means of personas."""
        values = [session["words_per_turn"] for session in self.sessions]
        by_persona: dict[str, list[float]] = {}
        for persona, value in zip(self.personas, values, strict=True):
            by_persona.setdefault(persona, []).append(value)
        if len(by_persona) < 2 or not (total := pvariance(values)):
            return None
        whole = fmean(values)
        between = sum(len(own) * (fmean(own) - whole) ** 2 for own in by_persona.values()) / len(values)
        return round(between / total, 4)

    def _likeness(self) -> float | None:
        """Mean Jaccard index of content words between sessions of different personas."""
        pairs = [
            len(a & b) / len(a | b)
            for (one, a), (other, b) in combinations(zip(self.personas, self.stems, strict=False), 2)
            if one != other and a | b
        ]
        return round(fmean(pairs), 4) if pairs else None


def _of_session(texts: Sequence[str], lengths: Sequence[int]) -> dict[str, float]:
    asked = sum(any(sentence.question for sentence in parse(text).said.sentences) for text in texts)
    low = [plain(text) for text in texts]
    found = {name: sum(pattern.search(text) is not None for text in low) for name, pattern in _PATTERNS.items()}
    counts = {"short_turns": sum(n <= SHORT for n in lengths), "questions": asked, **found}
    shares = {name: n / len(texts) for name, n in counts.items()}
    return {"words_per_turn": fmean(lengths), "words_per_turn_sd": pstdev(lengths), **shares}


def _quantiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    at = {"p10": 0.1, "median": None, "p90": 0.9}
    last = len(ordered) - 1
    return {
        "n": len(ordered),
        "mean": round(fmean(ordered), 4),
        **{name: round(median(ordered) if q is None else ordered[round(q * last)], 4) for name, q in at.items()},
    }


def _share(number: int, of: int) -> float | None:
    return round(number / of, 4) if of else None


def _entropy(outcomes: Mapping[str, int]) -> float | None:
    """The entropy of outcomes, in bits; None without any."""
    total = sum(outcomes.values())
    return round(abs(sum(n / total * log2(n / total) for n in outcomes.values())), 4) if total else None
