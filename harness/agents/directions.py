"""From the patient's inner state to a direction for the actor: words for one turn, never numbers.

Invariants:
- At most one behaviour a turn, and none again before its cool-down is over.
- Wordings rotate, so that a small model isn't handed the same words again and again.
- A direction is at most 60 words, in round brackets, as the patient's prompt announces it.
"""

import zlib
from collections.abc import Iterator

from harness.agents.inner_state import InnerState
from harness.agents.prompt import END
from harness.personas.schema import Persona, Resistance

COOL_DOWN = {
    "close": 2,
    "walk_out": 2,
    "tell": 1,
    "slow_down": 5,
    "flooded": 3,
    "correct": 3,
    "push_back": 4,
    "withdraw": 6,
    "moved": 3,
    "small_step": 6,
    "relapse": 8,
    "doubt": 5,
    "bring_in": 3,
}
"""Patient turns from one showing of a behaviour to the earliest next."""

EARLIEST_END = 8
"""Patient turns before a patient may end the session on good terms."""
EARLIEST_WALK_OUT = 10

WORDS = {
    "close": (
        f"You have what you came for today. Say what you take with you, thank the therapist, and write {END}",
        f"It feels like a good place to stop. Name the one thing you will hold on to, say goodbye, and write {END}",
    ),
    "walk_out": (
        f"You are worn out and do not want to go on. Close the session politely, and write {END}",
        f"This is not helping today. Say so without a scene, say goodbye, and write {END}",
    ),
    "slow_down": (
        "You feel pushed. Ask once, in your own words, to slow down",
        "It is too much at once. Pick the one part you can take in, and leave the rest",
        "You lose the thread. Say what it does in your body, and that you need a smaller piece",
        "You need something concrete. Ask for one plain example from your own week",
    ),
    "flooded": (
        "You are still full to the brim. Say less than you feel",
        "Your mind goes blank for a moment. A short answer is all there is",
        "You hold on to one small fact, because the rest is too big",
    ),
    "correct": (
        "That missed you. Put one thing right, without lecturing",
        "You feel brushed aside. Let it be heard, then go on with what is really the matter",
        "The therapist got it wrong. Say how it really was, with one detail",
    ),
    "withdraw": (
        "You told more than you meant to. Step back a little and talk of something safer",
        "After saying that you feel exposed. Make it smaller, or wait for the therapist",
    ),
    "moved": (
        "Something in that landed a little. Let it show, in half a sentence",
        "You notice that you feel less alone with it. Say one thing you had not planned to say",
        "You had not seen it like that. Try the thought on, with a doubt or two",
        "That loosened something. Tell what it reminds you of",
    ),
    "small_step": (
        "You could imagine one small step. Say which, in your own terms, and what might get in its way",
        "For once something sounds doable. Make it smaller until it is yours",
    ),
    "relapse": (
        "The old doubt is back about what you said you might try. Say where it would go wrong",
        "You think of the last time you hoped. Tell how that went",
    ),
    "tell": (
        "You can bring yourself to tell it now, haltingly, in your own words: {}",
        "It is out before you can stop it, some of it at least: {}",
        "You decide to say it, and watch the therapist as you do: {}",
    ),
}
RESIST = {
    Resistance.SKEPTICAL: (
        "You doubt that this would hold in your real life. Give the case where it would fail",
        "You have heard this kind of thing before. Say what became of it",
        "You want to see how it works before you believe it. Name the moment that it would have to work in",
    ),
    Resistance.MINIMIZING: (
        "You make it smaller than it is, with a shrug or a joke",
        "You think of someone who has it worse, and say so",
        "You say it is fine; then a detail slips out which shows that it is not",
    ),
    Resistance.INTELLECTUALIZING: (
        "You explain it, cleanly and from far away, as if it were someone else's case",
        "You offer a theory about yourself instead of the feeling",
        "You pick at a word the therapist used",
    ),
    Resistance.HOSTILE: (
        "That grated. Push back, sharply but not for long",
        "You test the therapist: what would they know about it?",
        "You feel judged, and your tone gets an edge",
    ),
    Resistance.HELP_REJECTING: (
        "You want the help and find the catch in it: yes, but",
        "You tried something like that. Tell how it went wrong, with one detail",
        "You say why that might work for others and not for you",
    ),
    Resistance.COMPLIANT_WITHOUT_CHANGE: (
        "You agree at once, warmly and a little too easily, without saying when or how",
        "You promise it, and change the subject",
        "You say what you think the therapist hopes to hear",
    ),
    Resistance.SILENT: (
        "You close up. A few words, no more",
        "You don't know what to say to that, and let it show",
        "You answer the easy half of it and leave the other half alone",
    ),
    Resistance.AMBIVALENT: (
        "As soon as that is said you feel the pull the other way. Speak for the other side",
        "You want it and you don't. Say both in one breath, and settle nothing",
        "Take back half of what you said before",
    ),
    Resistance.TESTING: (
        "Try the therapist out: say something small and edgy, and see what comes",
        "Ask something personal or off the subject, to see how they take it",
        "Hold back on purpose, and let it be noticed that you do",
    ),
    Resistance.FLATTERING: (
        "Praise the therapist for that, and say nothing of yourself",
        "You say how lucky you are to be here, and slip away from the question",
        "You ask what the therapist thinks, since they are so good at this",
    ),
}


def direction(state: InnerState, persona: Persona) -> tuple[str | None, InnerState]:
    """The direction for the patient's next turn, if any, and the state as that turn leaves it.

    Call it once before each patient turn, the first included, and journal the state that it returns.
    """
    behaviour = None
    if state.turn > 0:
        behaviour = next((name for name in _wishes(state, persona) if _cool(state, name)), None)
    if behaviour is None:
        return None, state._replace(turn=state.turn + 1)
    told = state.told + (behaviour == "tell")
    after = state._replace(turn=state.turn + 1, told=told, shown=state.shown_with(behaviour))
    return f"({_words(behaviour, state, persona)}.)", after


def _cool(state: InnerState, behaviour: str) -> bool:
    last = state.last_shown(behaviour)
    return last is None or state.turn - last >= COOL_DOWN[behaviour]


def _wishes(state: InnerState, persona: Persona) -> Iterator[str]:
    """What the patient would do now, the strongest wish first."""
    did = state.appraisal
    if state.turn >= EARLIEST_WALK_OUT and state.overwhelm >= 0.85 and state.trust <= 0.12:
        yield "walk_out"
    if state.turn >= EARLIEST_END and state.trust >= 0.6 and state.hope >= 0.6 and state.distress <= 0.45:
        yield "close"
    if state.unlocked > state.told:
        yield "tell"
    if state.overwhelm >= persona.pace.overwhelm_at:
        yield "slow_down"
    if did.misunderstood >= 0.5:
        yield "correct"
    if (did.advised >= 0.6 or did.rushed >= 0.4) and state.trust < 0.7:
        yield "push_back"
    if state.overwhelm >= persona.pace.overwhelm_at:
        yield "flooded"
    if state.last_shown("tell") == state.turn - 1:
        yield "withdraw"
    if state.hope >= 0.5 and did.advised >= 0.3 and did.rushed < 0.4:
        yield "small_step"
    if state.last_shown("small_step") is not None and state.turn - (state.last_shown("small_step") or 0) >= 3:
        yield "relapse"
    if did.validated >= 0.5 or did.listened >= 0.7:
        yield "moved"
    if state.openness < 0.45:
        yield "doubt"
    yield "bring_in"


def _words(behaviour: str, state: InnerState, persona: Persona) -> str:
    count = state.times_shown(behaviour)
    if behaviour == "tell":
        return _in_turn(WORDS["tell"], persona, count).format(persona.disclosure[state.told].content.rstrip("."))
    if behaviour in ("push_back", "doubt"):
        count = state.times_shown("push_back") + state.times_shown("doubt")
        turn, form = divmod(count, len(persona.resistance))
        return _in_turn(RESIST[persona.resistance[form]], persona, turn)
    return _in_turn(_life(persona) if behaviour == "bring_in" else WORDS[behaviour], persona, count)


def _in_turn(wordings: tuple[str, ...], persona: Persona, count: int) -> str:
    """The wording whose turn it is; where the turn begins differs from persona to persona."""
    return wordings[(zlib.crc32(persona.id.encode()) + count) % len(wordings)]


def _life(persona: Persona) -> tuple[str, ...]:
    """Things of the patient's own to talk about: what keeps a long session from going round in circles."""
    moments = [
        f"Tell of one recent moment like this: {trigger.situation}" for trigger in persona.conceptualization.triggers
    ]
    people = [
        f"{person.name[:1].upper()}{person.name[1:]} comes to mind. Say a little about that"
        for person in persona.people
    ]
    values = [f"Let it be felt that this matters to you: {value}" for value in persona.values]
    habits = [f"Tell how it looks when you {habit}" for habit in persona.conceptualization.coping]
    mixed: list[str] = []
    for rank in range(max(map(len, (moments, people, values, habits)))):
        mixed += [group[rank] for group in (moments, people, habits, values) if rank < len(group)]
    return tuple(mixed)
