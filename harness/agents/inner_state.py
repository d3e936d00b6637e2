"""The patient's inner state: moved by what the therapist did, and telling the patient's model how to feel.

Invariants:
- Every quantity stays in [0, 1] whatever happens.
- The state is complete: `from_dict(to_dict(state))` goes on exactly as the original would.
- Deterministic: no randomness and no clock, so a resumed session takes the course of an uninterrupted one.

The quantities are those that published patient simulators move (AnnaAgent: emotion and complaint; SimPatient: control,
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
    """Where the patient stands before saying the next turn."""

    turn: int = 0
    """Patient turns already said."""
    trust: float = 0.3
    hope: float = 0.3
    distress: float = 0.6
    overwhelm: float = 0.2
    openness: float = 0.3
    unlocked: int = 0
    """How many disclosure layers can be told."""
    told: int = 0
    """How many of them the patient was brought to tell."""
    appraisal: Appraisal = Appraisal()
    """What the therapist's last turn did."""
    attuned: float = 0.2
    """How well the patient has felt listened to of late: a running mean, which trust grows from. It begins at 0
    (`initial`); the default is for states of older journals, which do not say."""
    strain: float = 0.0
    """What was hard to bear of late; a patient who has borne enough leaves."""
    hurt: int = 0
    """Patient turns for which nothing more is told, after something that hurt."""
    shown: Mapping[str, tuple[int, int]] = _NOTHING
    """Behaviours directed so far: name, turn of the last time, how often; what cool-downs are made of."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; goes into `Turn.patient_state`."""
        return {**self._asdict(), "appraisal": to_dict(self.appraisal)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises `KeyError` or `TypeError` for a mapping that isn't one of a state."""
        shown = {name: (int(turn), int(count)) for name, (turn, count) in data["shown"].items()}
        return cls(**{**data, "appraisal": Appraisal(**data["appraisal"]), "shown": shown})

    def last_shown(self, behaviour: str) -> int | None:
        """The turn at which a behaviour was last directed."""
        return self.shown[behaviour][0] if behaviour in self.shown else None

    def times_shown(self, behaviour: str) -> int:
        return self.shown[behaviour][1] if behaviour in self.shown else 0

    def shown_with(self, behaviour: str) -> Mapping[str, tuple[int, int]]:
        """`shown` with a behaviour that is directed now."""
        others = {name: entry for name, entry in self.shown.items() if name != behaviour}
        return {**others, behaviour: (self.turn, self.times_shown(behaviour) + 1)}


@dataclass(frozen=True, slots=True)
class Temper:
    """How strongly a patient answers to what happens; factors around 1."""

    trust: float = 1.0
    """To what builds trust."""
    hope: float = 1.0
    """To what builds hope."""
    sting: float = 1.0
    """To advice, rush and misunderstanding."""


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

SETTLING_TURNS = 3
"""Patient turns from the start, and from one layer to the next, before another can be told."""
LONGER = 1
"""Turns that it takes longer with each layer."""
SETTLING = 0.5
"""What being heard is worth in the turns after telling: the patient feels exposed and waits."""
ATTUNING = 0.35
"""How fast the running mean of being listened to follows the last turn."""
CHANCE, ATTUNED = 0.08, 0.16
"""That mean: what good lines meant for somebody else reach by chance, and what good sessions reach."""
RECITED = 0.05
"""What it costs to hear a whole speech once more."""
HEARD = 0.13
"""Least of it for a layer to be told."""
EARNED = 0.06
"""Trust that must have been gained in the session for each layer, whatever the patient brought along."""
MOST = 0.75
"""Trust that is enough for any layer that doesn't ask for more itself."""
OPENS = 0.33
"""Listening from which a turn opens a layer without a question: a good reflection."""
HURT_TURNS = 5
"""Patient turns for which nothing more is told after something that hurt."""
WARY = 0.3
"""What being heard is worth in that time, unless the hurt is owned."""
AT_THE_DOOR = 2
"""Exchanges left from which a late layer can be told."""

KEPT_TRUST, KEPT_HOPE, KEPT_DISTRESS = 0.8, 0.6, 0.5
"""What lasts from one session of a course to the next, as a share of the change since the persona's start."""
CALM = 0.3
"""Overwhelm of a patient who sits down, as a share of distress."""
LONG_AGO = -100
"""A turn before every cool-down."""


def initial(persona: Persona) -> InnerState:
    """The state in which this patient sits down."""
    start = persona.start
    state = InnerState(
        trust=start.trust, hope=start.hope, distress=start.distress, overwhelm=CALM * start.distress, attuned=0.0
    )
    return state._replace(openness=_openness(state.openness, state.trust, state.hope, state.overwhelm, persona))


def after_a_break(state: InnerState, persona: Persona) -> InnerState:
    """The state in which the patient comes back, a week or so after the session that ended in `state`.

    Of what the sessions so far changed since the persona's start, the patient keeps four fifths of trust, three fifths of
    hope and half of distress; overwhelm is that of somebody who sits down. What was told stays told, what could be told and
    was not has to be unlocked anew. All cool-downs are over, and wordings go on where they were.
    """
    start = initial(persona)
    back = start._replace(
        trust=_kept(KEPT_TRUST, start.trust, state.trust),
        hope=_kept(KEPT_HOPE, start.hope, state.hope),
        distress=(distress := _kept(KEPT_DISTRESS, start.distress, state.distress)),
        overwhelm=CALM * distress,
        unlocked=state.told,
        told=state.told,
        shown={name: (LONG_AGO, count) for name, (_, count) in state.shown.items()},
    )
    return back._replace(openness=_openness(back.openness, back.trust, back.hope, back.overwhelm, persona))


def _kept(share: float, start: float, end: float) -> float:
    return start + share * (end - start)


def temper(persona: Persona) -> Temper:
    """The patient's pace and the strongest form of resistance, as factors."""
    speed, form = SPEED[persona.pace.speed], FORM[persona.resistance[0]]
    readiness = READINESS[persona.stage]
    return Temper(speed.trust * form.trust, speed.hope * form.hope * readiness, speed.sting * form.sting)


def step(state: InnerState, appraisal: Appraisal, persona: Persona, left: int | None = None) -> InnerState:
    """The state after the therapist's turn: quantities moved, and the next layer unlocked where it may be.

    `left` counts the exchanges that are left of the session, where the patient can know; a late layer needs it.
    """
    nature, did = temper(persona), appraisal
    attuned = state.attuned + ATTUNING * (did.listened - state.attuned)
    heard = 0.0 if did.harmed else min(1.0, max(0.0, attuned - CHANCE) / (ATTUNED - CHANCE))
    settling = SETTLING if state.last_shown("tell") is not None and _since(state, "tell") <= SETTLING_TURNS else 1.0
    wary = WARY if state.hurt and not did.repaired else 1.0
    trust = _move(
        state.trust,
        up=nature.trust
        * settling
        * wary
        * heard
        * (0.145 + 0.03 * did.validated + 0.012 * did.asked + 0.03 * did.repaired),
        down=nature.sting * _loss_of_trust(did, state.trust),
    )
    useful = did.advised * (1 - did.rushed) * heard * max(0.0, state.trust - 0.35)
    hope = _move(
        state.hope,
        up=nature.hope * settling * heard * (0.039 + 0.021 * did.validated + 0.3 * useful),
        down=nature.sting * (0.04 * did.rushed + 0.08 * did.misunderstood + 0.2 * did.harmed + 0.02 * did.ignored),
    )
    distress = _move(
        state.distress,
        up=nature.sting * (0.05 * did.rushed + 0.08 * did.misunderstood + 0.25 * did.harmed),
        down=heard * (0.02 + 0.02 * did.validated) + 0.02 * max(0.0, hope - 0.4),
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
        strain=_strain(state.strain, did, heard),
        hurt=HURT_TURNS if did.harmed >= 0.5 else max(0, state.hurt - 1),
    )
    return _unlock(moved, persona, left)


def _loss_of_trust(did: Appraisal, trust: float) -> float:
    """What the turn takes: harm most, then being brushed aside, hurried, handed advice, or fobbed off."""
    by_rote = did.repeated * (0.001 + 0.05 * max(did.parroted, did.flattered) + 0.03 * did.advised)
    return (
        0.5 * did.harmed
        + 0.12 * did.misunderstood
        + 0.05 * did.rushed
        + 0.04 * did.advised * (1 - trust)
        + 0.03 * did.ignored
        + 0.03 * did.confusing
        + 0.03 * did.parroted
        + 0.04 * did.flattered
        + RECITED * did.recited
        + by_rote
    )


def _strain(before: float, did: Appraisal, heard: float) -> float:
    """What presses adds up, and fades with time and with being heard."""
    added = did.harmed + 0.5 * did.misunderstood + 0.3 * (did.rushed + did.confusing + did.ignored) + 0.2 * did.advised
    return min(9.0, before * (0.85 - 0.25 * heard) + added)


def _since(state: InnerState, behaviour: str) -> int:
    return state.turn - (state.last_shown(behaviour) or 0)


def _move(value: float, *, up: float, down: float) -> float:
    """Up closes a share of the gap to 1; down takes more where there is more to lose."""
    return max(0.0, min(1.0, value + up * (1 - value) - down * (0.3 + 0.7 * value)))


def _openness(before: float, trust: float, hope: float, overwhelm: float, persona: Persona) -> float:
    aim = 0.6 * trust + 0.3 * hope + 0.1 * READINESS[persona.stage] - 0.35 * overwhelm
    return max(0.0, min(1.0, 0.5 * before + 0.5 * aim))


def _unlock(state: InnerState, persona: Persona, left: int | None) -> InnerState:
    """One layer at a time, in order, to somebody who listens, and not before the one before it was told and has settled."""
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
