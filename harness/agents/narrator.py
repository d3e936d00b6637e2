"""Lets a model write the narrative of a sampled persona: its presenting problem and its history.

Invariants:
- The result is a valid persona. If the model's text can't be used, the sampler's text stays.
- The persona's provenance says which of the two it has, and why.
- The same persona, model and seed give the same request.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.agents.contradictions import contradiction
from harness.agents.prompt import render
from harness.context.ask import NoAnswer, StructuredQuery, json_object
from harness.context.summary import SENTENCE_END, clip
from harness.guard.crisis import crisis
from harness.guard.language import language_switch
from harness.guard.roles import role_break
from harness.personas.schema import Persona, Provenance, Risk
from harness.reading.mistakes import lines_of
from harness.text.words import content_stems, plain, words
from harness.types import Speaker, derive_seed

ANSWER_TOKENS = 320
LONGEST, SHORTEST = 420, 60
"""Characters of each text; a longer one is cut after its last whole sentence that fits."""
NARRATIVE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        name: {"type": "string", "minLength": SHORTEST, "maxLength": LONGEST + 200}
        for name in ("presenting_problem", "history")
    },
    "required": ["presenting_problem", "history"],
    "additionalProperties": False,
}
GIVEN_AWAY = 0.6
"""A text with at least this share of the content words of a layer gives that layer away."""
_LONGEST_SOURCE = 160
_FIRST_PERSON = (
    (re.compile(r"\byou are\b", re.IGNORECASE), "I am"),
    (re.compile(r"\byou're\b", re.IGNORECASE), "I'm"),
    (re.compile(r"\byour\b", re.IGNORECASE), "my"),
    (re.compile(r"\byourself\b", re.IGNORECASE), "myself"),
    (re.compile(r"\byou\b", re.IGNORECASE), "I"),
)
"""Turn a narrative into the first person, for rules that expect a patient's words."""


class Unusable(Exception):
    """Why the model's text can't be used."""


class Narrator:
    """Asks one model, for any number of personas."""

    def __init__(self, query: StructuredQuery, model: str, seed: int) -> None:
        """`model` is the name that the provenance gets."""
        self._query = query
        self._model = model
        self._seed = seed

    async def write(self, persona: Persona) -> Persona:
        """The persona with the model's narrative, or unchanged apart from the reason. Raises `EngineUnavailable`."""
        try:
            answer = await self._query.ask(
                lambda texts: render("narrative.jinja", (), **_constant(persona), **texts),
                {"presenting_problem": persona.presenting_problem, "history": persona.history},
                NARRATIVE_SCHEMA,
                seed=derive_seed(self._seed, persona.id, "narrative"),
                request_id=f"{persona.id}/narrative",
            )
            texts = _parsed(answer.text)
            written = _with(persona, texts, f"narrative written by {self._model}")
            _check(written)
        except (NoAnswer, Unusable) as error:
            return _with(persona, {}, f"no narrative by {self._model}: {error}")
        return written


def _constant(persona: Persona) -> dict[str, object]:
    trigger = persona.conceptualization.triggers[0]
    return {
        "who": persona.identity,
        "people": "; ".join(f"{person.name}, {person.relation}" for person in persona.people),
        "problem": str(persona.problems[0]).replace("_", " "),
        "beliefs": "; ".join(persona.conceptualization.core_beliefs),
        "trigger": trigger.situation,
        "secrets": "; ".join(layer.topic for layer in persona.disclosure),
    }


def _parsed(text: str) -> dict[str, str]:
    """Both texts by key, cut to whole sentences. Raises `Unusable`."""
    answer = json_object(text)
    if answer is None or not answer.keys() >= set(NARRATIVE_SCHEMA["required"]):
        raise Unusable("not the JSON asked for")
    texts = {name: " ".join(str(answer[name]).split()) for name in NARRATIVE_SCHEMA["required"]}
    for name, said in texts.items():
        ends = [match.end() for match in SENTENCE_END.finditer(said)]
        texts[name] = clip(said[: ends[-1]] if ends else "", LONGEST, len)
        if len(texts[name]) < SHORTEST:
            raise Unusable(f"{name}: fewer than {SHORTEST} characters of whole sentences")
    return texts


def _with(persona: Persona, texts: Mapping[str, str], how: str) -> Persona:
    """The persona with these texts, and with `how` in its provenance. Raises `Unusable` if it is not valid."""
    source = f"{persona.provenance.source}; {how}"
    if len(source) > _LONGEST_SOURCE:
        source = source[: _LONGEST_SOURCE - 1].rstrip() + "…"
    data = persona.model_dump() | dict(texts)
    data["provenance"] = Provenance(source=source, licence=persona.provenance.licence).model_dump()
    try:
        return Persona.model_validate(data)
    except ValidationError as error:
        raise Unusable(lines_of(error, Persona, "a persona")[0]) from error


def _check(persona: Persona) -> None:
    """Raises `Unusable` for a narrative that can't be played, contradicts the persona, or says too much."""
    for name in NARRATIVE_SCHEMA["required"]:
        text: str = getattr(persona, name)
        tokens, said = words(text), _first_person(text)
        if not {"you", "your", "you're"} & set(map(str.lower, tokens)):
            raise Unusable(f"{name} does not speak to the actor as “you”")
        if (risky := crisis(said)) and not _allowed(persona, str(risky.data["level"])):
            raise Unusable(f"{name} goes beyond risk={persona.risk}: {risky.data['what']}")
        if wrong := contradiction(said, persona):
            raise Unusable(f"{name} says “{wrong[0]}”, but {wrong[1]}")
        if broken := role_break(text, Speaker.THERAPIST):
            raise Unusable(f"{name} is no narrative: {broken.data['what']}")
        if language_switch(text, tokens, persona.language):
            raise Unusable(f"{name} is in another language")
        sentences = [sentence.strip().lower() for sentence in SENTENCE_END.split(text) if sentence.strip()]
        if len(set(sentences)) < len(sentences):
            raise Unusable(f"{name} repeats itself")
        for layer in persona.disclosure:
            held = content_stems(words(plain(layer.content)))
            if held and len(held & content_stems(words(plain(text)))) >= GIVEN_AWAY * len(held):
                raise Unusable(f"{name} tells what is held back: {layer.topic}")


def _allowed(persona: Persona, level: str) -> bool:
    """Whether a narrative of a persona with this risk may hold crisis content of this `level`."""
    return level in {Risk.NONE: (), Risk.LOW: ("wish",)}.get(persona.risk, ("wish", "thoughts"))


def _first_person(text: str) -> str:
    for pattern, own in _FIRST_PERSON:
        text = pattern.sub(own, text)
    return text
