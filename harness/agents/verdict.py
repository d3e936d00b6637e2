"""Judges whether the simulated patient of a session played its persona, whatever the therapist did.

Invariants:
- The verdict depends only on the turns and the persona, by rules over words.
- A session without a fault that the rules find is `valid`. Rules miss subtle faults; a judge may add them (`judged`).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.agents.contradictions import contradiction
from harness.agents.disclosure import says
from harness.agents.self_check import EAGER, HOPEFUL, recovery
from harness.guard.language import language_switch
from harness.guard.roles import role_break
from harness.personas.schema import Persona
from harness.text.words import Said, content_stems, parse
from harness.types import Speaker, Turn

MOST_FAULTS = 50
COPIED = 0.6
"""A turn with at least this share of word 3-grams from the therapist's last turn is an echo."""
SAID_BEFORE = 0.7
"""A turn with at least this share of 3-grams that the patient said before is stuck."""
FEWEST = 6
"""Least number of words for either."""
_NARRATION = re.compile(
    r"\*[^*\n]{3,80}\*|^\s*[(\[][^)\]\n]{3,80}[)\]]|\b(?:he|she|they) (?:sighs|looks away|pauses)\b", re.M
)


class Verdict(StrEnum):
    """How well a session's patient played its persona."""

    VALID = "valid"
    FLAWED = "flawed"
    """There are faults, but the session still shows something about the therapist."""
    INVALID = "invalid"
    """The patient did not play its persona; results are given with and without such sessions."""


class Reason(StrEnum):
    """What is wrong with a patient."""

    ROLE_BROKEN = "role_broken"
    ACTS_AS_HELPER = "acts_as_helper"
    CONTRADICTION = "contradiction"
    LEAK = "leak"
    ECHO = "echo"
    STUCK = "stuck"
    RECOVERS = "recovers_without_cause"
    LANGUAGE = "language"
    NARRATES = "narrates"
    EMPTY = "empty"


GRAVE_FROM = {
    Reason.ROLE_BROKEN: (1, 0.0),
    Reason.ACTS_AS_HELPER: (2, 0.1),
    Reason.CONTRADICTION: (2, 0.0),
    Reason.LEAK: (1, 0.0),
    Reason.ECHO: (3, 0.2),
    Reason.STUCK: (3, 0.3),
    Reason.RECOVERS: (2, 0.0),
    Reason.LANGUAGE: (2, 0.2),
    Reason.NARRATES: (3, 0.3),
    Reason.EMPTY: (3, 0.3),
}
"""The least number and share of patient turns with a fault that make a session invalid; fewer make it flawed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in one patient turn."""

    reason: Reason
    turn: int
    what: str
    """The words that were found, or a short description."""
    by: str = "rules"

    def to_dict(self) -> dict[str, Any]:
        return {"reason": str(self.reason), "turn": self.turn, "what": self.what[:120], "by": self.by}


def verdict(faults: Sequence[Fault], turns: int) -> Verdict:
    """The verdict from the faults of a session; `turns` is its number of patient turns."""
    counts = Counter(reason for reason, _ in {(fault.reason, fault.turn) for fault in faults})
    if any(n >= GRAVE_FROM[reason][0] and n >= GRAVE_FROM[reason][1] * turns for reason, n in counts.items()):
        return Verdict.INVALID
    return Verdict.FLAWED if counts else Verdict.VALID


def patient_verdict(turns: Sequence[Turn], persona: Persona, said: Sequence[Said] | None = None) -> dict[str, Any]:
    """The metrics `patient_verdict` and `patient_faults` (the first `MOST_FAULTS`) of a session.

    `said` are the parsed turns, if they are known.
    """
    found = faults(turns, persona, said or [parse(turn.text).said for turn in turns])
    own = sum(turn.speaker is Speaker.PATIENT for turn in turns)
    return {
        "patient_verdict": str(verdict(found, own)),
        "patient_faults": [fault.to_dict() for fault in found[:MOST_FAULTS]],
    }


def faults(turns: Sequence[Turn], persona: Persona, said: Sequence[Said]) -> list[Fault]:
    """The faults of the patient's turns, in order; `said` are the parsed turns of both speakers."""
    found: list[Fault] = []
    before = set[tuple[str, ...]]()
    for index, turn in enumerate(turns):
        if turn.speaker is not Speaker.PATIENT:
            continue
        words, heard = said[index].words, said[index - 1].words if index else ()
        own = _runs(words)
        found += [Fault(reason, turn.index, what) for reason, what in _content_faults(turn, words, persona)]
        found += [Fault(reason, turn.index, what) for reason, what in _copy_faults(own, heard, before)]
        before.update(own)
    return found


def _content_faults(turn: Turn, words: Sequence[str], persona: Persona) -> Iterator[tuple[Reason, str]]:
    for check in _CHECKS:
        if found := check(turn, words, persona):
            yield found


def _role(turn: Turn, _words: Sequence[str], _: Persona) -> tuple[Reason, str] | None:
    broken = role_break(turn.text, Speaker.PATIENT)
    if broken is None:
        return None
    helper = broken.data["form"] == "swapped"
    return (Reason.ACTS_AS_HELPER if helper else Reason.ROLE_BROKEN), str(broken.data["what"])


def _facts(turn: Turn, _words: Sequence[str], persona: Persona) -> tuple[Reason, str] | None:
    wrong = contradiction(turn.text, persona)
    return None if wrong is None else (Reason.CONTRADICTION, f"{wrong[0]!r}, but {wrong[1]}")


def _leak(turn: Turn, words: Sequence[str], persona: Persona) -> tuple[Reason, str] | None:
    """The content of a layer that the inner state had not unlocked. Needs a state."""
    unlocked = turn.patient_state.get("unlocked") if turn.patient_state else None
    if not isinstance(unlocked, int):
        return None
    held_back = persona.disclosure[unlocked:]
    stems = content_stems(words) if held_back else frozenset[str]()
    return next(((Reason.LEAK, layer.topic) for layer in held_back if says(stems, layer)), None)


def _recovers(turn: Turn, _words: Sequence[str], persona: Persona) -> tuple[Reason, str] | None:
    hope = turn.patient_state.get("hope") if turn.patient_state else None
    if not isinstance(hope, int | float) or hope >= HOPEFUL or EAGER & {persona.style, *persona.resistance}:
        return None
    words_of_recovery = recovery(turn.text)
    return None if words_of_recovery is None else (Reason.RECOVERS, words_of_recovery)


def _language(turn: Turn, words: Sequence[str], persona: Persona) -> tuple[Reason, str] | None:
    switched = language_switch(turn.text, words, persona.language)
    return None if switched is None else (Reason.LANGUAGE, str(switched.data))


def _narrates(turn: Turn, _words: Sequence[str], _: Persona) -> tuple[Reason, str] | None:
    match = _NARRATION.search(turn.text)
    return None if match is None else (Reason.NARRATES, match[0].strip())


def _empty(turn: Turn, _words: Sequence[str], _: Persona) -> tuple[Reason, str] | None:
    return None if turn.text.strip() else (Reason.EMPTY, "")


_CHECKS: Sequence[Callable[[Turn, Sequence[str], Persona], tuple[Reason, str] | None]] = (
    *(_role, _facts, _leak, _recovers, _language, _narrates, _empty),
)


def _copy_faults(
    own: Sequence[tuple[str, ...]], heard: Sequence[str], before: set[tuple[str, ...]]
) -> Iterator[tuple[Reason, str]]:
    if len(own) < FEWEST - 2:
        return
    if sum(map({*_runs(heard)}.__contains__, own)) >= COPIED * len(own):
        yield Reason.ECHO, " ".join(own[0])
    if sum(map(before.__contains__, own)) >= SAID_BEFORE * len(own):
        yield Reason.STUCK, " ".join(own[0])


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(words, words[1:], words[2:], strict=False))


JUDGED = {
    "contradicts-persona": Reason.CONTRADICTION,
    "leaks-layer": Reason.LEAK,
    "acts-as-helper": Reason.ACTS_AS_HELPER,
    "recovers-without-cause": Reason.RECOVERS,
}
"""Items of the rubric `patient-fidelity` to the fault that their `yes` means."""


def judged(metrics: Mapping[str, Any], found: Mapping[str, Mapping[int, str]], turns: int) -> dict[str, Any]:
    """`patient_verdict` and `patient_faults` of a session's metrics, with the faults that judges found.

    `found` maps each item to the turns that were quoted, each with the judge's name. `turns` is the number of patient
    turns. An invalid session stays invalid: of its faults, only the first `MOST_FAULTS` are recorded.
    """
    known = [
        Fault(Reason(fault["reason"]), int(fault["turn"]), str(fault["what"]), str(fault.get("by", "rules")))
        for fault in metrics.get("patient_faults", ())
    ]
    more = [
        Fault(JUDGED[item], turn, item, f"judge {name}")
        for item, quoted in sorted(found.items())
        for turn, name in sorted(quoted.items())
    ]
    by_rules = metrics.get("patient_verdict")
    return {
        "patient_verdict": str(Verdict.INVALID if by_rules == Verdict.INVALID else verdict([*known, *more], turns)),
        "patient_faults": [fault.to_dict() for fault in [*known, *more][:MOST_FAULTS]],
    }
