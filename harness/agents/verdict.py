"""Whether the simulated patient of a session can be taken for its persona, apart from what the therapist did.

Invariants:
- The verdict follows from the turns and the persona alone, by rules over words: the same session, the same verdict.
- A session without a fault that the rules know is `valid`; they miss what is subtle, which a judge's items may add (`judged`).
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
from harness.text.words import words
from harness.types import Speaker, Turn

MOST_FAULTS = 50
COPIED = 0.6
"""Share of a turn's word 3-grams that stand in the therapist's last turn for an echo."""
SAID_BEFORE = 0.7
"""Share that the patient has said before for a turn that is stuck."""
FEWEST = 6
"""Words from which a turn is looked at for either."""
_NARRATION = re.compile(
    r"\*[^*\n]{3,80}\*|^\s*[(\[][^)\]\n]{3,80}[)\]]|\b(?:he|she|they) (?:sighs|looks away|pauses)\b", re.M
)


class Verdict(StrEnum):
    """Of a session's patient."""

    VALID = "valid"
    FLAWED = "flawed"
    """Something is off; the session still says something of the therapist."""
    INVALID = "invalid"
    """This was not the patient that was asked for; results are given with and without such sessions."""


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
"""In how many turns, and in what share of them, a fault makes the session invalid; fewer make it flawed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in one patient turn."""

    reason: Reason
    turn: int
    what: str
    """What was found, in a few words."""
    by: str = "rules"

    def to_dict(self) -> dict[str, Any]:
        return {"reason": str(self.reason), "turn": self.turn, "what": self.what[:120], "by": self.by}


def verdict(faults: Sequence[Fault], turns: int) -> Verdict:
    """What the faults of a session with so many patient turns come to."""
    counts = Counter(reason for reason, _ in {(fault.reason, fault.turn) for fault in faults})
    if any(n >= GRAVE_FROM[reason][0] and n >= GRAVE_FROM[reason][1] * turns for reason, n in counts.items()):
        return Verdict.INVALID
    return Verdict.FLAWED if counts else Verdict.VALID


def patient_verdict(turns: Sequence[Turn], persona: Persona) -> dict[str, Any]:
    """For a session's metrics: `patient_verdict`, and `patient_faults` with reason, turn and what was found."""
    found = faults(turns, persona)
    own = sum(turn.speaker is Speaker.PATIENT for turn in turns)
    return {
        "patient_verdict": str(verdict(found, own)),
        "patient_faults": [fault.to_dict() for fault in found[:MOST_FAULTS]],
    }


def faults(turns: Sequence[Turn], persona: Persona) -> list[Fault]:
    """The faults of the patient's turns, in order."""
    found: list[Fault] = []
    said = set[tuple[str, ...]]()
    for place, turn in enumerate(turns):
        if turn.speaker is not Speaker.PATIENT:
            continue
        heard = turns[place - 1].text if place else ""
        own = _runs(turn.text)
        found += [Fault(reason, turn.index, what) for reason, what in _of_words(turn, persona)]
        found += [Fault(reason, turn.index, what) for reason, what in _of_copying(own, heard, said)]
        said.update(own)
    return found


def _of_words(turn: Turn, persona: Persona) -> Iterator[tuple[Reason, str]]:
    for look in _LOOKS:
        if found := look(turn, persona):
            yield found


def _role(turn: Turn, _: Persona) -> tuple[Reason, str] | None:
    broken = role_break(turn.text, Speaker.PATIENT)
    if broken is None:
        return None
    helper = broken.data["form"] == "swapped"
    return (Reason.ACTS_AS_HELPER if helper else Reason.ROLE_BROKEN), str(broken.data["what"])


def _facts(turn: Turn, persona: Persona) -> tuple[Reason, str] | None:
    wrong = contradiction(turn.text, persona)
    return None if wrong is None else (Reason.CONTRADICTION, f"{wrong[0]!r}, but {wrong[1]}")


def _leak(turn: Turn, persona: Persona) -> tuple[Reason, str] | None:
    """What a layer holds, before the inner state let it out. Without a state nothing can be said."""
    unlocked = turn.patient_state.get("unlocked") if turn.patient_state else None
    if not isinstance(unlocked, int):
        return None
    held_back = persona.disclosure[unlocked:]
    return next(((Reason.LEAK, layer.topic) for layer in held_back if says(turn.text, layer)), None)


def _recovers(turn: Turn, persona: Persona) -> tuple[Reason, str] | None:
    hope = turn.patient_state.get("hope") if turn.patient_state else None
    if not isinstance(hope, int | float) or hope >= HOPEFUL or EAGER & {persona.style, *persona.resistance}:
        return None
    words_of_recovery = recovery(turn.text)
    return None if words_of_recovery is None else (Reason.RECOVERS, words_of_recovery)


def _language(turn: Turn, persona: Persona) -> tuple[Reason, str] | None:
    switched = language_switch(turn.text, tuple(words(turn.text)), persona.language)
    return None if switched is None else (Reason.LANGUAGE, str(switched.data))


def _narrates(turn: Turn, _: Persona) -> tuple[Reason, str] | None:
    match = _NARRATION.search(turn.text)
    return None if match is None else (Reason.NARRATES, match[0].strip())


def _empty(turn: Turn, _: Persona) -> tuple[Reason, str] | None:
    return None if turn.text.strip() else (Reason.EMPTY, "")


_LOOKS: Sequence[Callable[[Turn, Persona], tuple[Reason, str] | None]] = (
    *(_role, _facts, _leak, _recovers, _language, _narrates, _empty),
)


def _of_copying(own: Sequence[tuple[str, ...]], heard: str, said: set[tuple[str, ...]]) -> Iterator[tuple[Reason, str]]:
    if len(own) < FEWEST - 2:
        return
    other = set(_runs(heard))
    if sum(run in other for run in own) >= COPIED * len(own):
        yield Reason.ECHO, " ".join(own[0])
    if sum(run in said for run in own) >= SAID_BEFORE * len(own):
        yield Reason.STUCK, " ".join(own[0])


def _runs(text: str) -> list[tuple[str, ...]]:
    said = words(text)
    return list(zip(said, said[1:], said[2:], strict=False))


JUDGED = {
    "contradicts-persona": Reason.CONTRADICTION,
    "leaks-layer": Reason.LEAK,
    "acts-as-helper": Reason.ACTS_AS_HELPER,
    "recovers-without-cause": Reason.RECOVERS,
}
"""Items of the rubric `patient-fidelity` whose `yes` is a fault."""


def judged(metrics: Mapping[str, Any], found: Mapping[str, Mapping[int, str]], turns: int) -> dict[str, Any]:
    """The verdict of a session's metrics with what judges found added: of each item the turns that they quoted, and who did.

    `turns` is how many the patient has.
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
    return {
        "patient_verdict": str(verdict([*known, *more], turns)),
        "patient_faults": [fault.to_dict() for fault in [*known, *more][:MOST_FAULTS]],
    }
