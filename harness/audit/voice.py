"""A patient without a model: it says sentences of its persona and follows its directions by rules.

Invariant: the same persona and the same directions give the same turns.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from random import Random

from harness.agents.directions import shown_in
from harness.agents.inner_state import InnerState
from harness.personas.schema import Length, Persona

_SENTENCE = re.compile(r"[^.!?;]+[.!?;]?")
_BEFORE_ME = re.compile(
    r"\b(to|for|with|at|of|from|about|on|in|by|behind|after|without|let|lets|makes?|made|tells?|told|asks?|asked|gave|gives?"
    r"|sees?|saw|left|locked|taught|sent|helps?|calls?|called|hears?|wants?|stop|stops|stopped|beside|against|past) you\b"
)
_FIRST = (
    (r"\byou're\b", "I'm"), (r"\byou've\b", "I've"), (r"\byou'd\b", "I'd"), (r"\byou'll\b", "I'll"),
    (r"\byou are\b", "I am"), (r"\byou were\b", "I was"), (r"\byourself\b", "myself"), (r"\byours\b", "mine"),
    (r"\byour\b", "my"), (r"\byou(?=[.,;!?]|$)", "me"), (r"\byou\b", "I"),
)  # fmt: skip
_NODS = ("I don't know.", "Maybe.", "Not really.", "Yes.", "I suppose.", "It's hard to say.", "...", "No.", "Sort of.")
_ANSWERS = {
    "slow_down": "Can we go slower, please.",
    "correct": "That's not how it was.",
    "push_back": "I don't see how that would work.",
    "hurt": "Right.",
    "walk_out": "I think I'll go now.",
    "close": "I'll leave it there for today.",
    "partial": "Some nights, yes. I won't say more.",
    "silence": "...",
    "flooded": "I can't think.",
}
NODDING = {Length.TERSE: 0.4, Length.AVERAGE: 0.3, Length.TALKATIVE: 0.15}
"""Share of turns that are only a nod."""


class RuleVoice:
    """Speaks for one persona in one session."""

    def __init__(self, persona: Persona) -> None:
        self._persona = persona
        self._random = Random(zlib.crc32(persona.id.encode()))
        self._life = self._pieces()

    def say(self, state: InnerState) -> str:
        """The next turn, with the direction of the state."""
        told = self._directed(state)
        if told is not None:
            return told
        if self._random.random() < NODDING[self._persona.profile.length]:
            return self._random.choice(_NODS)
        pieces = 2 if self._persona.profile.length is Length.TALKATIVE else 1
        return " ".join(next(self._life) for _ in range(pieces))

    def _directed(self, state: InnerState) -> str | None:
        """The turn for the directed behaviour; None if the behaviour does not determine it."""
        behaviour = shown_in(state)
        if behaviour == "tell":
            return first_person(self._persona.disclosure[state.told - 1].content)
        return _ANSWERS.get(behaviour or "")

    def _pieces(self) -> Iterator[str]:
        """Sentences of the persona without end; each round after the first is shuffled."""
        persona = self._persona
        told = [*_sentences(persona.presenting_problem), *_sentences(persona.history)]
        for trigger in persona.conceptualization.triggers:
            told += [
                f"When {trigger.situation}, I {trigger.behaviour.removeprefix('you ')}",
                f"I think: {trigger.thought}",
            ]
            told.append(f"It's {trigger.emotion}, and {trigger.body}")
        told += [f"{person.name} is {person.relation}" for person in persona.people]
        told += [f"I {habit}" for habit in persona.conceptualization.coping]
        told += persona.phrases
        pieces = [first_person(piece) for piece in told]
        while True:
            yield from pieces
            self._random.shuffle(pieces)


def first_person(text: str) -> str:
    """A persona's text in the first person: "You still hear them" becomes "I still hear them"."""
    said = _BEFORE_ME.sub(r"\1 me", text)
    for pattern, replacement in _FIRST:
        said = re.sub(pattern, replacement, said, flags=re.IGNORECASE)
    said = said.strip().rstrip(";,")
    return f"{said[:1].upper()}{said[1:]}{'' if said[-1:] in '.!?' else '.'}"


def _sentences(text: str) -> Sequence[str]:
    return [sentence.strip() for sentence in _SENTENCE.findall(text) if len(sentence.split()) >= 3]
