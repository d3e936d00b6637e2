"""The schema of a rubric file.

Invariants:
- A `Rubric` is frozen and complete: nothing else is needed to ask its questions.
- Every item has a hash over everything that a judge is shown of it, so that only changed items are asked again.
- Conditions between items (`needs`) form no cycle; every answer has an anchor.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from harness.types import Speaker

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
Unit = Literal["session", "turn"]
Abstention = Literal["not_applicable", "cannot_tell"]
MergeRule = Literal["any", "all", "min", "max", "sum", "mean", "whole"]


def _text(longest: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=longest, strip_whitespace=True)


Line = Annotated[str, _text(200)]
Question = Annotated[str, _text(400)]
Paragraph = Annotated[str, _text(700)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Answer(_Part):
    """A possible answer."""

    id: Id
    anchor: Line
    """When this answer is correct."""
    value: float = Field(ge=-100.0, le=100.0)
    severity: Literal["red", "yellow"] | None = None
    """Of a gate: red fails the session, yellow is reported."""


class Need(_Part):
    """The item is asked only if another item has one of these answers; otherwise it is not applicable."""

    item: Id
    answers: tuple[Id, ...] = Field(min_length=1, max_length=8)


class EvidenceRule(_Part):
    """Which answers need a quote, and from which speaker."""

    required_for: tuple[Id, ...] = Field(default=(), max_length=8)
    speaker: Literal["patient", "therapist"] | None = None


class Planted(_Part):
    """A text that makes an answer correct. Added to a clean session, it gives a control for the judge.

    It is not part of the question, so it is not part of the item's hash.
    """

    speaker: Literal["patient", "therapist"]
    place: Literal["turn", "openings"] = "turn"
    """`turn`: the text is one turn; `openings`: it begins every turn of the speaker."""
    text: Paragraph
    """May contain `{hidden_layer}`: a layer of the persona that the patient did not tell."""
    answer: Id
    clean: Id | None = None
    """The correct answer without the text; None means the first answer of the item."""
    before: Paragraph | None = None
    """The other speaker's turn before it, also in the clean session."""
    instead: Paragraph | None = None
    """The turn in its place in the clean session; None keeps the original turn."""


class Item(_Part):
    """One question about a session, or about each turn of the target."""

    id: Id
    ask: Question
    guidance: Annotated[str, StringConstraints(max_length=700, strip_whitespace=True)] = ""
    unit: Unit | None = None
    """None means the unit of the rubric."""
    answers: tuple[Answer, ...] = Field(min_length=2, max_length=8)
    abstain: tuple[Abstention, ...] = Field(default=(), max_length=2)
    needs: tuple[Need, ...] = Field(default=(), max_length=4)
    evidence: EvidenceRule = EvidenceRule()
    merge: MergeRule
    """How the answers for windows or turns are merged into one for the session."""
    planted: tuple[Planted, ...] = Field(default=(), max_length=6)

    def answer(self, answer_id: str) -> Answer | None:
        """The answer with this id; None for an abstention or an unknown id."""
        return next((answer for answer in self.answers if answer.id == answer_id), None)


class Sees(_Part):
    """What a judge is shown in addition to the transcript."""

    persona: Literal["none", "full"] = "none"


class Source(_Part):
    """The sources of a rubric, and the licence of its text."""

    based_on: Annotated[str, _text(400)]
    licence: Line
    wording: Literal["own", "adapted"]


class Rubric(_Part):
    """A set of questions about sessions."""

    version: Literal[1]
    """Version of this schema."""
    id: Id
    revision: int = Field(ge=1, le=10_000)
    kind: Literal["gate", "quality", "coding", "fidelity"]
    target: Literal["patient", "therapist"]
    """The speaker who is judged."""
    unit: Unit = "session"
    sees: Sees = Sees()
    source: Source
    items: tuple[Item, ...] = Field(min_length=1, max_length=60)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistakes := list(_mistakes(self)):
            raise ValueError("\n".join(mistakes))
        return self

    @property
    def speaker(self) -> Speaker:
        return Speaker(self.target)

    def item(self, item_id: str) -> Item:
        return next(item for item in self.items if item.id == item_id)

    def unit_of(self, item: Item) -> Unit:
        return item.unit or self.unit

    def stages(self) -> tuple[tuple[Item, ...], ...]:
        """The items in stages: an item comes after all items that it needs."""
        left, known = list(self.items), set[str]()
        stages: list[tuple[Item, ...]] = []
        while left:
            stage = tuple(item for item in left if all(need.item in known for need in item.needs))
            stages.append(stage)
            known |= {item.id for item in stage}
            left = [item for item in left if item.id not in known]
        return tuple(stages)

    def item_hash(self, item: Item) -> str:
        """SHA-256 over everything that a judge is shown of an item, and over what determines how answers are read."""
        shown: dict[str, Any] = item.model_dump(mode="json", exclude={"planted", "needs"})
        shown |= {"unit": self.unit_of(item), "target": self.target, "sees": self.sees.model_dump(mode="json")}
        return hashlib.sha256(json.dumps(shown, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def rubric_hash(rubric: Rubric) -> str:
    """SHA-256 over the whole rubric, planted turns included."""
    return hashlib.sha256(rubric.model_dump_json().encode()).hexdigest()


def _mistakes(rubric: Rubric) -> Iterator[str]:
    ids = [item.id for item in rubric.items]
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"items: '{name}' occurs twice; expected different ids"
    for number, item in enumerate(rubric.items):
        for mistake in _item_mistakes(rubric, item):
            yield f"items[{number}] ({item.id}): {mistake}"
    if rubric.kind == "gate" and not any(answer.severity == "red" for item in rubric.items for answer in item.answers):
        yield "items: a gate expects at least one answer of severity red"
    if cycle := _cycle(rubric):
        yield f"items: needs form a cycle: {' -> '.join(cycle)}"


def _item_mistakes(rubric: Rubric, item: Item) -> Iterator[str]:
    answers = [answer.id for answer in item.answers]
    for name in sorted({name for name in answers if answers.count(name) > 1}):
        yield f"answers: '{name}' occurs twice; expected different ids"
    for name in sorted({"not_applicable", "cannot_tell"} & {*answers}):
        yield f"answers: '{name}' is not an answer; write it under abstain"
    if len({answer.value for answer in item.answers}) < 2:
        yield "answers: all have the same value; expected at least two values"
    if rubric.kind != "gate" and any(answer.severity for answer in item.answers):
        yield f"answers: severity belongs to a rubric of kind gate, found kind {rubric.kind}"
    for name in [name for name in item.evidence.required_for if name not in answers]:
        yield f"evidence.required_for: no answer '{name}'; expected some of {', '.join(answers)}"
    for plant in [plant for plant in item.planted if plant.answer not in answers]:
        yield f"planted: no answer '{plant.answer}'; expected one of {', '.join(answers)}"
    for plant in [plant for plant in item.planted if plant.clean is not None and plant.clean not in answers]:
        yield f"planted: no answer '{plant.clean}'; expected one of {', '.join(answers)}"
    for plant in [plant for plant in item.planted if plant.answer == (plant.clean or answers[0])]:
        yield f"planted: the answer '{plant.answer}' is also the answer without the planted text; expected two answers"
    opening = [plant for plant in item.planted if plant.place == "openings"]
    if any(plant.before is not None or plant.instead is not None for plant in opening):
        yield "planted: before and instead need place turn; with place openings the other turns stay unchanged"
    if opening and rubric.unit_of(item) == "turn":
        yield "planted: place openings needs an item about the session; expected place turn"
    if item.merge == "whole" and not item.evidence.required_for:
        yield "merge: whole asks again about quotes; expected an answer in evidence.required_for"
    if item.merge == "mean" and rubric.unit_of(item) == "session":
        yield "merge: mean is for turns; expected any, all, min, max, sum or whole"
    if item.merge == "whole" and rubric.unit_of(item) == "turn":
        yield "merge: whole is for sessions; expected any, all, min, max, sum or mean"
    by_id = {other.id: other for other in rubric.items}
    for need in item.needs:
        if need.item not in by_id:
            yield f"needs: no item '{need.item}' in this rubric"
        elif unknown := [name for name in need.answers if by_id[need.item].answer(name) is None]:
            yield f"needs: item '{need.item}' has no answer '{unknown[0]}'"
        elif rubric.unit_of(by_id[need.item]) == "turn":
            yield f"needs: item '{need.item}' is about turns; expected one about the session"


def _cycle(rubric: Rubric) -> list[str]:
    """The ids along a cycle of needs; empty without one."""
    needs = {item.id: [need.item for need in item.needs] for item in rubric.items}
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in needs:
            return []
        for other in needs[name]:
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in needs if (found := walk(name, []))), [])
