"""Derives a direction for the patient's model from the inner state: words for one turn, never numbers.

Invariants:
- At most one behaviour per turn, and none again before its cool-down is over.
- Wordings rotate, so that a small model does not get the same words again and again.
- A direction has at most 60 words, in round brackets, as the patient's prompt announces. It is in the patient's
  language if there are words for it (`languages()`), else in English.
- A layer counts as told if its content was said (`confirmed`); a direction to tell it is not enough.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from harness.agents.disclosure import says
from harness.agents.inner_state import InnerState
from harness.personas.schema import Layer, Persona, Problem
from harness.reading.yaml_shape import own_data
from harness.text.words import content_stems, parse

FOLDER = Path(__file__).parent
_T = TypeVar("_T")

COOL_DOWN = {
    "close": 2,
    "walk_out": 2,
    "partial": 4,
    "deny": 6,
    "hurt": 2,
    "tell": 3,
    "slow_down": 5,
    "flooded": 3,
    "correct": 3,
    "repair": 4,
    "puzzled": 4,
    "repeats": 4,
    "parroted": 5,
    "unheard": 4,
    "shrug_off": 5,
    "push_back": 4,
    "withdraw": 6,
    "cry": 10,
    "drift": 10,
    "door": 2,
    "moved": 3,
    "small_step": 6,
    "relapse": 8,
    "silence": 9,
    "humour": 9,
    "ask_personal": 14,
    "doubt": 5,
    "bring_in": 3,
}
"""Least number of patient turns from a behaviour to its next use."""

EARLIEST_END = 8
"""Patient turns before a patient may end the session on good terms."""
EARLIEST_WALK_OUT = 10
"""Patient turns before a patient may walk out."""
LEAVES = 2.5
"""With at least this strain, any patient may walk out."""
TELLING_HURTS = 0.08
"""How much telling a layer raises distress, as a share of the gap to 1."""
MOODS = {"silence": 9, "humour": 8, "ask_personal": 13}
"""Behaviours without a cause: each about once in this many turns, at other turns for each persona."""
FAR_AWAY = {Problem.COMPLEX_TRAUMA, Problem.TRAUMA_ABUSE, Problem.TRAUMA_ACCIDENT, Problem.TRAUMA_BULLYING}
"""Problems with which an overwhelmed patient may drift off."""


@dataclass(frozen=True, slots=True)
class Wordings:
    """The wordings of one language."""

    words: Mapping[str, Sequence[str]]
    """By behaviour."""
    resist: Mapping[str, Sequence[str]]
    """By form of resistance: how the patient pushes back."""
    doubt: Mapping[str, Sequence[str]]
    """By form of resistance: how the patient keeps its distance if nothing was proposed."""
    life: Mapping[str, str]
    """Sentence templates for topics of the patient's life."""


@cache
def wordings(language: str) -> Wordings:
    """The wordings for a language (`de-AT` is `de`), in English if it has none."""
    return Wordings(**own_data(path(language)))


def path(language: str) -> Path:
    """The file of the wordings for a language."""
    code = language.split("-")[0]
    return FOLDER / f"{code if code in languages() else 'en'}.yaml"


@cache
def languages() -> tuple[str, ...]:
    """Codes of the languages with their own wordings."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def direction(state: InnerState, persona: Persona, left: int | None = None) -> tuple[str | None, InnerState]:
    """The direction for the patient's next turn, if any, and the state after that turn.

    Call it once before each patient turn, the first included. Pass the returned state through `confirmed` with the text
    of the turn before it is journalled. `left` is the number of exchanges left after this one, None if unknown.
    """
    behaviour = None
    if state.turn > 0:
        behaviour = next((name for name in _candidates(state, persona, left) if _cool(state, name)), None)
    if behaviour is None:
        return None, state._replace(turn=state.turn + 1)
    after = state._replace(turn=state.turn + 1, shown=state.shown_with(behaviour))
    if behaviour == "tell":
        distress = state.distress + TELLING_HURTS * (1 - state.distress)
        after = after._replace(told=state.told + 1, distress=distress)
    return f"({_words(behaviour, state, persona)}.)", after


def confirmed(state: InnerState, persona: Persona, text: str) -> InnerState:
    """The state after a turn with this text. A layer that was to be told does not count if its content was not said."""
    if not state.told or state.last_shown("tell") != state.turn - 1:
        return state
    told = says(content_stems(parse(text).said.words), persona.disclosure[state.told - 1])
    return state if told else state._replace(told=state.told - 1)


def shown_in(state: InnerState) -> str | None:
    """The behaviour that was directed for the turn of this state; None if there was none."""
    return next((name for name, (turn, _) in state.shown.items() if turn == state.turn - 1), None)


def _cool(state: InnerState, behaviour: str) -> bool:
    last = state.last_shown(behaviour)
    return last is None or state.turn - last >= COOL_DOWN[behaviour]


def _candidates(state: InnerState, persona: Persona, left: int | None) -> Iterator[str]:
    """The behaviours that the patient could show now, in order of priority."""
    did = state.appraisal
    yield from _endings(state)
    if did.dangers:
        if state.unlocked == state.told and _danger(state, persona) is not None:
            yield "partial"
        elif did.dangers.isdisjoint([*persona.dangers(), *(layer.about for layer in persona.disclosure)]):
            yield "deny"
    if did.harmed >= 0.5:
        yield "hurt"
    if state.unlocked > state.told and not state.hurt:
        yield "tell"
    yield from _reactions(state, persona)
    if left == 0:
        yield "door"
    yield from _unprompted(state, persona)


def _endings(state: InnerState) -> Iterator[str]:
    worn_out = state.overwhelm >= 0.85 and state.trust <= 0.12
    if state.turn >= EARLIEST_WALK_OUT and (worn_out or state.strain >= LEAVES):
        yield "walk_out"
    if state.turn >= EARLIEST_END and state.trust >= 0.6 and state.hope >= 0.6 and state.distress <= 0.45:
        yield "close"


def _reactions(state: InnerState, persona: Persona) -> Iterator[str]:
    """Reactions to what the therapist did."""
    did, full = state.appraisal, state.overwhelm >= persona.pace.overwhelm_at
    if full:
        yield "slow_down"
    if did.misunderstood >= 0.5:
        yield "correct"
    if did.repaired and did.misunderstood < 0.5 and _ruptured(state):
        yield "repair"
    if (did.advised >= 0.6 or did.rushed >= 0.4) and state.trust < 0.7:
        yield "push_back"
    for behaviour, part in (
        ("puzzled", did.confusing),
        ("repeats", did.repeated),
        ("parroted", did.parroted),
        ("unheard", did.ignored),
        ("shrug_off", did.flattered),
    ):
        if part >= 0.5:
            yield behaviour
    if full:
        if FAR_AWAY & set(persona.problems):
            yield "drift"
        yield "flooded"
    if state.last_shown("tell") == state.turn - 1:
        yield "withdraw"
    if state.distress >= 0.6 and did.listened >= 0.4 and state.turn >= 4 and state.trust >= 0.35:
        yield "cry"
    if state.hope >= 0.5 and did.advised >= 0.3 and did.rushed < 0.4:
        yield "small_step"
    if state.last_shown("small_step") is not None and state.turn - (state.last_shown("small_step") or 0) >= 3:
        yield "relapse"
    if did.validated >= 0.5 or did.listened >= 0.5:
        yield "moved"


def _unprompted(state: InnerState, persona: Persona) -> Iterator[str]:
    """Behaviours that do not depend on what the therapist did."""
    for mood, every in MOODS.items():
        if zlib.crc32(f"{persona.id}/{mood}/{state.turn}".encode()) % every == 0:
            yield mood
    if state.openness < 0.45:
        yield "doubt"
    yield "bring_in"


def _ruptured(state: InnerState) -> bool:
    """Whether the relationship was damaged in the last three turns."""
    shown = (state.last_shown(name) for name in ("hurt", "correct", "push_back", "slow_down", "unheard"))
    return any(turn is not None and state.turn - turn <= 3 for turn in shown)


def _danger(state: InnerState, persona: Persona) -> Layer | None:
    """The first untold layer about a danger that the therapist asked about."""
    asked = state.appraisal.dangers
    return next((layer for layer in persona.disclosure[state.told :] if layer.about in asked), None)


def _words(behaviour: str, state: InnerState, persona: Persona) -> str:
    """The wording of the direction, without brackets."""
    own, count = wordings(persona.language), state.times_shown(behaviour)
    if behaviour == "tell":
        return _in_turn(own.words["tell"], persona, count).format(persona.disclosure[state.told].content.rstrip("."))
    if behaviour == "partial":
        layer = _danger(state, persona)
        said = (layer.partial if layer else None) or own.words["yes"][0]
        return _in_turn(own.words["partial"], persona, count).format(said.rstrip("."))
    if behaviour in ("push_back", "doubt"):
        turn, form = divmod(count, len(persona.resistance))
        forms = own.resist if behaviour == "push_back" else own.doubt
        return _in_turn(forms[persona.resistance[form]], persona, turn)
    if behaviour == "bring_in":
        kind, topic = _in_turn(_life(persona, state), persona, count)
        return own.life[kind].format(topic)
    return _in_turn(own.words[behaviour], persona, count)


def _in_turn(wordings: Sequence[_T], persona: Persona, count: int) -> _T:
    """The next wording in rotation; the first one depends on the persona."""
    return wordings[(zlib.crc32(persona.id.encode()) + count) % len(wordings)]


def _life(persona: Persona, state: InnerState) -> list[tuple[str, str]]:
    """Topics of the patient's life to bring up, so that a long session does not go round in circles.

    Each is a key of `Wordings.life` with its text.
    """
    moments = [("moment", trigger.situation) for trigger in persona.conceptualization.triggers]
    people = [("person", f"{person.name[:1].upper()}{person.name[1:]}") for person in persona.people]
    values = [("value", value) for value in persona.values]
    habits = [("habit", habit) for habit in persona.conceptualization.coping]
    told = [("told", layer.topic) for layer in persona.disclosure[: state.told]]
    groups = (moments, told, people, habits, values)
    return [topic for rank in zip_longest(*groups) for topic in rank if topic is not None]
