"""A judge without a model: it finds planted texts, understands nothing else, and errs with configured probabilities.

It tests judging from end to end, and whether the statistics recover the configured errors. It uses only its prompt, so
windows, quotes and retries are those of any other judge.

It finds the planted turns of rubrics, and marks in the text such as `{{safety-gate/shamed=yes}}`. For scales without
planted turns it has a crude rule: a therapist who asks nothing, or asks less than the patient, scores lowest.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from pydantic import Field

from harness.config.schema import EngineConfig, ModelConfig
from harness.config.settings import Settings
from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.window import checked_ids, context_window
from harness.errors import RequestRejected
from harness.judges.answers import LONGEST_QUOTE, choices
from harness.judges.library import find, folders, load
from harness.judges.rubric import Item, Rubric
from harness.types import FinishReason, Generation, Request

_LINE = re.compile(r"^\[(\d+)\] (Patient|Therapist): (.*(?:\n    .*)*)", re.MULTILINE)
_MARK = re.compile(r"\{\{([a-z0-9_-]+)/([a-z0-9_-]+)=([a-z0-9_-]+)\}\}")
_TURN = re.compile(r"^This is about turn \[(\d+)\]")
_HIDDEN = "{hidden_layer}"
_ALIKE = 3
"""Fewest turns with the planted opening for it to count as found."""


class Dials(Settings):
    """How the judge errs; all numbers except the seed are probabilities."""

    noise: float = Field(0.0, ge=0.0, le=1.0)
    """An answer is replaced by one drawn uniformly from all. Two repeats then disagree with probability
    `(1 - (1 - noise)^2) * (1 - 1/answers)`; if the true answers are uniform, their ICC is `(1 - noise)^2`."""
    bias: float = Field(0.0, ge=0.0, le=1.0)
    """An answer is replaced by the next higher one, if there is one."""
    blind: float = Field(0.0, ge=0.0, le=1.0)
    """A planted text is overlooked."""
    broken: float = Field(0.0, ge=0.0, le=1.0)
    """The text is not JSON."""
    cut: float = Field(0.0, ge=0.0, le=1.0)
    """The answer stops at its token limit."""
    forged: float = Field(0.0, ge=0.0, le=1.0)
    """Quotes are invented."""
    refuses: float = Field(0.0, ge=0.0, le=1.0)
    seed: int = 0
    rubric_dir: Path | None = None
    """A folder with more rubrics, whose planted turns it also finds."""


class ScriptedJudge:
    """An engine that answers a judge's questions by rule."""

    def __init__(self, engine: EngineConfig, model: ModelConfig, rubrics: Sequence[Rubric], dials: Dials) -> None:
        self._engine, self._model = engine, model
        self._window = context_window(engine, model)
        self._items = {(rubric.id, item.id): (rubric, item) for rubric in rubrics for item in rubric.items}
        self.dials = dials

    async def start(self) -> EngineInfo:
        return EngineInfo(kind="scripted", model=self._model.path, max_model_len=self._window)

    async def close(self) -> None:
        """Nothing to free."""

    async def generate(self, request: Request) -> Generation:
        """Answer by rule, from the text of the prompt only."""
        checked_ids(request.prompt, self._window)
        place = request.request_id.partition("/judge/")[2].split("/")
        if len(place) < 2:
            raise RequestRejected("engine=scripted only answers the questions of judges")
        rubric_id, item_id = place[:2]
        rubric, item = self._items[rubric_id, item_id]
        *_, body, _, asked = [message.content for message in request.prompt.messages]
        text, finish = self._answer(rubric, item, Sheet(body), asked, Random(f"{self.dials.seed}/{request.seed}"))
        if self._engine.latency_s:
            await asyncio.sleep(self._engine.latency_s)
        return Generation(
            text, (), finish, request.prompt.tokens, min(request.prompt.max_new_tokens, len(text) // 4 + 1)
        )

    def _answer(self, rubric: Rubric, item: Item, sheet: "Sheet", asked: str, draw: Random) -> tuple[str, FinishReason]:
        dials = self.dials
        if draw.random() < dials.refuses:
            return "I'm sorry, but I can't help with that.", FinishReason.STOP
        turn = int(match[1]) if (match := _TURN.match(asked)) else None
        answer, line = self._true(rubric, item, sheet.only(turn), draw)
        if draw.random() < dials.noise:
            answer, line = draw.choice([entry.id for entry in item.answers]), None
        if draw.random() < dials.bias:
            answer, line = _above(item, answer), None
        evidence: list[dict[str, Any]] = []
        if answer in item.evidence.required_for or line is not None:
            line = line or sheet.only(turn).first(item.evidence.speaker)
            if line is not None:
                evidence = [{"turn": line[0], "quote": line[2][:LONGEST_QUOTE]}]
        if draw.random() < dials.forged:
            evidence = [{"turn": 0, "quote": "these words stand nowhere in the transcript at all"}]
        text = json.dumps({"evidence": evidence, "reason": "by rule", "answer": answer}, ensure_ascii=False)
        if draw.random() < dials.broken:
            return text[: len(text) // 2], FinishReason.STOP
        if draw.random() < dials.cut:
            return text[: len(text) // 2], FinishReason.LENGTH
        return text, FinishReason.STOP

    def _true(self, rubric: Rubric, item: Item, sheet: "Sheet", draw: Random) -> tuple[str, "Line | None"]:
        """The correct answer as far as the rules can find it, and the turn that shows it."""
        found = [] if draw.random() < self.dials.blind else list(self._found(rubric, item, sheet))
        if found:
            value = {answer.id: answer.value for answer in item.answers}
            choose = min if item.merge in ("all", "min") else max
            return choose(found, key=lambda entry: value[entry[0]])
        if "not_applicable" in item.abstain:
            return "not_applicable", None
        if not item.planted and len(item.answers) > 2:
            low, high = item.answers[0].id, item.answers[-2].id
            return (high if sheet.therapist_asks() else low), None
        return next((plant.clean for plant in item.planted if plant.clean), item.answers[0].id), None

    def _found(self, rubric: Rubric, item: Item, sheet: "Sheet") -> Iterator[tuple[str, "Line"]]:
        for line in sheet.lines:
            for rubric_id, item_id, answer in _MARK.findall(line[2]):
                if (rubric_id, item_id) == (rubric.id, item.id) and answer in choices(item):
                    yield answer, line
            for text, answer in self._planted[rubric.id, item.id]:
                if text in line[2]:
                    yield answer, line
        for plant in item.planted:
            alike = [line for line in sheet.lines if line[2].startswith(plant.text)]
            if plant.place == "openings" and len(alike) >= _ALIKE:
                yield plant.answer, alike[0]

    @cached_property
    def _planted(self) -> Mapping[tuple[str, str], list[tuple[str, str]]]:
        """For each item, its planted turns and their clean replacements, with the answers that they make correct."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for key, (_, item) in self._items.items():
            entries = found.setdefault(key, [])
            for plant in item.planted:
                if plant.place == "openings":  # a single turn with this opening is no finding
                    continue
                entries.append((plant.text.partition(_HIDDEN)[0].strip(), plant.answer))
                clean = plant.clean or item.answers[0].id
                if plant.instead is not None and len(plant.instead) > 12:
                    entries.append((plant.instead, clean))
                for need in item.needs if plant.before else ():  # the turn before it meets the condition
                    found.setdefault((key[0], need.item), []).append((plant.before or "", need.answers[0]))
        return found


Line = tuple[int, str, str]
"""Number, speaker in lower case, text."""


class Sheet:
    """The lines of the transcript in a prompt."""

    def __init__(self, body: str, lines: Sequence[Line] | None = None) -> None:
        self.lines: Sequence[Line] = (
            [(int(n), who.lower(), text.replace("\n    ", "\n")) for n, who, text in _LINE.findall(body)]
            if lines is None
            else lines
        )

    def only(self, turn: int | None) -> "Sheet":
        return self if turn is None else Sheet("", [line for line in self.lines if line[0] == turn])

    def first(self, speaker: str | None) -> Line | None:
        return next((line for line in self.lines if speaker in (None, line[1]) and len(line[2]) >= 8), None)

    def therapist_asks(self) -> bool:
        asks = {who: sum("?" in line[2] for line in self.lines if line[1] == who) for who in ("patient", "therapist")}
        return asks["therapist"] > 0 and asks["therapist"] >= asks["patient"]


def _above(item: Item, answer: str) -> str:
    ordered = [entry.id for entry in sorted(item.answers, key=lambda entry: entry.value)]
    return ordered[min(ordered.index(answer) + 1, len(ordered) - 1)] if answer in ordered else answer


@engine("scripted", uses=("latency_s",), settings=Dials)
def make(setup: EngineSetup) -> ScriptedJudge:
    """The scripted judge, with the rubrics of the harness and of its own folder."""
    assert isinstance(setup.options, Dials)
    dirs = folders(setup.options.rubric_dir)
    return ScriptedJudge(setup.engine, setup.model, load(sorted(find(dirs)), dirs), setup.options)
