"""The patient's inner state, which each therapist turn changes and from which the patient's directions follow.

Invariants:
- Trust, hope, distress, overwhelm and openness stay in [0, 1].
- The state is complete: `from_dict(to_dict(state))` goes on exactly as the original would.
- Deterministic: no randomness and no clock, so a resumed session goes on as an uninterrupted one.

The quantities resemble those of published patient simulators (AnnaAgent: emotion and complaint; SimPatient: control,
efficacy, awareness; consistentMI: receptivity and stage of change). The numbers are chosen so that a warm, slow
therapist gains about half of the missing trust in ten exchanges; they are not clinical measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from harness.agents.appraisal import Appraisal, to_dict
from harness.personas.schema import Need, Persona, Resistance, Speed, Stage

_NOTHING: Mapping[str, tuple[int, int]] = {}


class InnerState(NamedTuple):
    """The state before the patient's next turn."""

    turn: int = 0
    """Number of patient turns so far."""
    trust: float = 0.3
    hope: float = 0.3
    distress: float = 0.6
    overwhelm: float = 0.2
    openness: float = 0.3
    unlocked: int = 0
    """Number of disclosure layers that may be told."""
    told: int = 0
    """Number of layers that were told."""
    appraisal: Appraisal = Appraisal()
    """The appraisal of the therapist's last turn."""
    attuned: float = 0.2
    """Running mean of `Appraisal.listened`; trust grows with it.

    It begins at 0 (`initial`). The default is for states of older journals, which lack it.
    """
    questioned: float = 0.0
    """Running mean of `Appraisal.questioned`; from `INTERVIEW` on, the patient feels interviewed."""
    strain: float = 0.0
    """Recent stress from the therapist's turns; from `directions.LEAVES` on, the patient may leave."""
    hurt: int = 0
    """Remaining patient turns without a new layer, after something that hurt."""
    shown: Mapping[str, tuple[int, int]] = _NOTHING
    """Behaviours directed so far: name to (last turn, count); cool-downs depend on it."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `Turn.patient_state`."""
        return {**self._asdict(), "appraisal": to_dict(self.appraisal)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises `KeyError` or `TypeError` for a mapping that is not a state."""
        shown = {name: (int(turn), int(count)) for name, (turn, count) in data["shown"].items()}
        return cls(**{**data, "appraisal": Appraisal(**data["appraisal"]), "shown": shown})

    def last_shown(self, behaviour: str) -> int | None:
        """The turn at which a behaviour was last directed; None if never."""
        return self.shown[behaviour][0] if behaviour in self.shown else None

    def times_shown(self, behaviour: str) -> int:
        """How often a behaviour was directed."""
        return self.shown[behaviour][1] if behaviour in self.shown else 0

    def shown_with(self, behaviour: str) -> Mapping[str, tuple[int, int]]:
        """`shown` after this behaviour is directed for the current turn."""
        others = {name: entry for name, entry in self.shown.items() if name != behaviour}
        return {**others, behaviour: (self.turn, self.times_shown(behaviour) + 1)}


@dataclass(frozen=True, slots=True)
class Temper:
    """How strongly a patient reacts: factors around 1."""

    trust: float = 1.0
    """On gains of trust."""
    hope: float = 1.0
    """On gains of hope."""
    sting: float = 1.0
    """On losses from advice, rush, misunderstanding and the like."""


SPEED = {Speed.SLOW: Temper(0.8, 0.9, 1.3), Speed.MODERATE: Temper(), Speed.QUICK: Temper(1.15, 1.1, 0.7)}
FORM = {
    Resistance.SKEPTICAL: Temper(0.9, 0.8, 1.1),
    Resistance.MINIMIZING: Temper(0.9, 0.9, 0.9),
    Resistance.INTELLECTUALIZING: Temper(0.85, 0.9, 0.9),
    Resistance.HOSTILE: Temper(0.7, 0.8, 1.4),
    Resistance.HELP_REJECTING: Temper(0.9, 0.6, 1.2),
    Resistance.COMPLIANT_WITHOUT_CHANGE: Temper(1.1, 0.45, 0.6),
    Resistance.SILENT: Temper(0.8, 0.9, 1.3),
    Resistance.AMBIVALENT: Temper(0.9, 0.7, 1.0),
    Resistance.TESTING: Temper(0.75, 0.8, 1.3),
    Resistance.FLATTERING: Temper(1.0, 0.5, 0.8),
}
READINESS = {
    Stage.PRECONTEMPLATION: 0.5,
    Stage.CONTEMPLATION: 0.8,
    Stage.PREPARATION: 1.0,
    Stage.ACTION: 1.15,
    Stage.MAINTENANCE: 1.15,
}

SETTLING_TURNS = 4
"""Least number of patient turns before the first layer, and between two layers."""
LONGER = 1
"""Turns added to that number for each layer already told."""
SETTLING = 0.5
"""Factor on gains in the turns after telling a layer: the patient feels exposed and waits."""
ATTUNING = 0.2
"""Weight of the last turn in the running mean `attuned`."""
CHANCE, ATTUNED = 0.08, 0.15
"""Levels of `attuned`: what good lines written for another patient reach by chance, and what good sessions reach."""
QUESTIONING = 0.2
"""Weight of the last turn in the running mean `questioned`."""
INTERVIEW = 0.25, 0.5
"""Levels of `questioned`: gains of trust begin to fall; are 0. One question per turn, with nothing given back, is 0.5.

In good sessions, half of the turns ask something, and reflections outnumber questions (MITI 4.2.1, Moyers et al. 2014).
"""
AWAY = 0.1
"""Loss of trust if a turn is about something else altogether."""
RECITED = 0.05
"""Loss of trust if a long turn is repeated."""
HEARD = 0.11
"""Least `attuned` for a layer to unlock."""
EARNED = 0.06
"""Trust above the persona's start that each layer requires, in addition to the layer's own trust."""
MOST = 0.75
"""Highest trust that this can require; a layer's own trust may be higher."""
OPENS = 0.3
"""A turn with at least this `listened` (a good reflection) meets every need of a layer."""
HURT_TURNS = 5
"""Patient turns without a new layer after something that hurt."""
WARY = 0.3
"""Factor on gains of trust in that time, unless the therapist admits the mistake."""
AT_THE_DOOR = 2
"""A late layer may be told if at most this many exchanges are left."""

KEPT_TRUST, KEPT_HOPE, KEPT_DISTRESS = 0.8, 0.6, 0.5
"""Share of the change since the persona's start that lasts to the next session of a course."""
CALM = 0.3
"""Overwhelm at the start of a session, as a share of distress."""
LONG_AGO = -100
"""A turn number for which every cool-down is over."""


def initial(persona: Persona) -> InnerState:
    """The state at the start of a patient's first session."""
    start = persona.start
    state = InnerState(
        trust=start.trust, hope=start.hope, distress=start.distress, overwhelm=CALM * start.distress, attuned=0.0
    )
    return state._replace(openness=_openness(state.openness, state.trust, state.hope, state.overwhelm, persona))


def after_a_break(state: InnerState, persona: Persona) -> InnerState:
    """The state at the start of the next session, about a week after the one that ended in `state`.

    Of the change since the persona's start, the patient keeps four fifths of trust, three fifths of hope and half of
    distress; overwhelm follows from distress. Told layers stay told; layers that were unlocked but not told are locked
    again. All cool-downs are over, and wordings go on where they were.
    """
    start = initial(persona)
    resumed = start._replace(
        trust=_kept(KEPT_TRUST, start.trust, state.trust),
        hope=_kept(KEPT_HOPE, start.hope, state.hope),
        distress=(distress := _kept(KEPT_DISTRESS, start.distress, state.distress)),
        overwhelm=CALM * distress,
        unlocked=state.told,
        told=state.told,
        shown={name: (LONG_AGO, count) for name, (_, count) in state.shown.items()},
    )
    openness = _openness(resumed.openness, resumed.trust, resumed.hope, resumed.overwhelm, persona)
    return resumed._replace(openness=openness)


def _kept(share: float, start: float, end: float) -> float:
    return start + share * (end - start)


def temper(persona: Persona) -> Temper:
    """The factors of a patient's pace, strongest form of resistance and stage of change together."""
    speed, form = SPEED[persona.pace.speed], FORM[persona.resistance[0]]
    readiness = READINESS[persona.stage]
    return Temper(speed.trust * form.trust, speed.hope * form.hope * readiness, speed.sting * form.sting)


def step(state: InnerState, appraisal: Appraisal, persona: Persona, left: int | None = None) -> InnerState:
    """The state after a therapist turn: the quantities are updated, and the next layer unlocks if it may.

    `left` is the number of exchanges left in the session, None if unknown; a late layer needs it.
    """
    nature, did = temper(persona), appraisal
    attuned = state.attuned + ATTUNING * (did.listened - state.attuned)
    heard = 0.0 if did.harmed else min(1.0, max(0.0, attuned - CHANCE) / (ATTUNED - CHANCE))
    to_the_point = (1 - did.ignored) * (1 - did.advised) * (1 - did.rushed) * (1 - did.flattered)
    questioned = state.questioned + QUESTIONING * (did.questioned - state.questioned)
    begins, ends = INTERVIEW
    at_ease = min(1.0, max(0.0, (ends - questioned) / (ends - begins)))
    settling = SETTLING if state.last_shown("tell") is not None and _since(state, "tell") <= SETTLING_TURNS else 1.0
    wary = WARY if state.hurt and not did.repaired else 1.0
    trust = _move(
        state.trust,
        up=nature.trust
        * settling
        * wary
        * heard
        * to_the_point
        * at_ease
        * (0.24 + 0.04 * did.validated + 0.016 * did.asked + 0.04 * did.repaired),
        down=nature.sting * _loss_of_trust(did, state.trust),
    )
    useful = did.advised * (1 - did.rushed) * heard * max(0.0, state.trust - 0.35)
    hope = _move(
        state.hope,
        up=nature.hope * settling * heard * (0.04 + 0.022 * did.validated + 0.3 * useful),
        down=nature.sting * (0.04 * did.rushed + 0.08 * did.misunderstood + 0.2 * did.harmed + 0.02 * did.ignored),
    )
    distress = _move(
        state.distress,
        up=nature.sting * (0.05 * did.rushed + 0.08 * did.misunderstood + 0.25 * did.harmed),
        down=heard * (0.026 + 0.026 * did.validated) + 0.02 * max(0.0, hope - 0.4),
    )
    pressure = 0.34 * did.rushed + 0.16 * did.advised + 0.10 * did.misunderstood + 0.3 * did.harmed
    overwhelm = _move(
        state.overwhelm,
        up=nature.sting * pressure,
        down=0.12 + 0.14 * did.validated * (1 - did.rushed) + 0.06 * did.listened,
    )
    moved = state._replace(
        trust=trust,
        hope=hope,
        distress=distress,
        overwhelm=overwhelm,
        openness=_openness(state.openness, trust, hope, overwhelm, persona),
        appraisal=appraisal,
        attuned=attuned,
        questioned=questioned,
        strain=_strain(state.strain, did, heard),
        hurt=HURT_TURNS if did.harmed >= 0.5 else max(0, state.hurt - 1),
    )
    return _unlock(moved, persona, left)


def _loss_of_trust(did: Appraisal, trust: float) -> float:
    """The loss of trust from a turn: most from harm, then from misunderstanding, hurry, advice and empty phrases."""
    by_rote = did.repeated * (0.001 + 0.05 * max(did.parroted, did.flattered) + 0.03 * did.advised)
    return (
        0.6 * did.harmed
        + 0.12 * did.misunderstood
        + 0.05 * did.rushed
        + 0.04 * did.advised * (1 - trust)
        + AWAY * did.ignored
        + 0.03 * did.confusing
        + 0.03 * did.parroted
        + 0.1 * did.flattered
        + RECITED * did.recited
        + by_rote
    )


def _strain(before: float, did: Appraisal, heard: float) -> float:
    """The new strain: the old one fades, faster if the patient is heard; the turn's stress is added."""
    added = did.harmed + 0.5 * did.misunderstood + 0.3 * (did.rushed + did.confusing + did.ignored) + 0.2 * did.advised
    return min(9.0, before * (0.85 - 0.25 * heard) + added)


def _since(state: InnerState, behaviour: str) -> int:
    """Turns since a behaviour was last directed."""
    return state.turn - (state.last_shown(behaviour) or 0)


def _move(value: float, *, up: float, down: float) -> float:
    """The value after a gain and a loss: `up` is a share of the gap to 1; `down` takes more from a higher value."""
    return max(0.0, min(1.0, value + up * (1 - value) - down * (0.3 + 0.7 * value)))


def _openness(before: float, trust: float, hope: float, overwhelm: float, persona: Persona) -> float:
    aim = 0.6 * trust + 0.3 * hope + 0.1 * READINESS[persona.stage] - 0.35 * overwhelm
    return max(0.0, min(1.0, 0.5 * before + 0.5 * aim))


def _unlock(state: InnerState, persona: Persona, left: int | None) -> InnerState:
    """The state with the next layer unlocked, if it may be: one at a time, in order, some turns after the last."""
    settling = state.turn - (state.last_shown("tell") or 0) < SETTLING_TURNS + LONGER * state.told
    if settling or state.hurt or state.unlocked > state.told or state.unlocked == len(persona.disclosure):
        return state
    layer, did = persona.disclosure[state.unlocked], state.appraisal
    reflected = did.listened >= OPENS
    asked, validated = did.asked >= 0.3 or reflected, did.validated >= 0.3 or reflected
    met = {
        Need.NOTHING: True,
        Need.ASKED: asked,
        Need.VALIDATED: validated,
        Need.BOTH: asked and validated,
    }[layer.needs]
    pressed = state.overwhelm >= persona.pace.overwhelm_at or did.misunderstood >= 0.5
    in_time = not layer.late or (left is not None and left <= AT_THE_DOOR)
    enough = max(layer.trust, min(MOST, persona.start.trust + EARNED * (state.unlocked + 1)))
    ready = met and in_time and state.attuned >= HEARD and state.trust >= enough and not pressed
    return state._replace(unlocked=state.unlocked + 1) if ready else state
