"""Judges one session: every item of every rubric, in windows, by stages, repeats and orders.

Invariants:
- There is one score for each rubric, item, repeat and order, also without a value.
- The first item of a window is asked alone, so that the engine's cache contains the transcript for all others.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judges import prompt
from harness.judges.alignment import BLOCK
from harness.judges.asking import Ask, Asked, Judge
from harness.judges.body import Body
from harness.judges.gate import gate_of
from harness.judges.merge import merge, merge_turns, together
from harness.judges.records import Evidence, Gate, Score, TurnScore
from harness.judges.rubric import Item, Rubric
from harness.judges.status import Status
from harness.judges.subject import Said, Subject
from harness.judges.verdict import Verdict, missing, unmet
from harness.judges.windows import Split, split

QUESTION_TOKENS = 384
"""Reserved for the question in every window, so that all items share the same windows."""
_STEP = 128
"""The reserve grows in such steps if a question is longer."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The results for one session."""

    subject: Subject
    scores: tuple[Score, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each question is asked."""

    rubrics: tuple[Rubric, ...]
    repeats: int = 1
    orders: int = 1

    def variants(self) -> list[tuple[int, int]]:
        """All combinations (repeat, order)."""
        return [(repeat, order) for order in range(self.orders) for repeat in range(self.repeats)]

    def questions(self) -> Iterator[str]:
        """Every question, with the longest additions that it may get."""
        for rubric in self.rubrics:
            for item in rubric.items:
                turn = 9999 if rubric.unit_of(item) == "turn" else None
                yield prompt.question(
                    rubric, item, turn=turn, tried=f"{item.answers[-1].id}: the quote stands nowhere in what was shown"
                )


class Windows:
    """The transcript of a subject in windows, as bodies, with the persona or without it."""

    def __init__(self, judge: Judge, subject: Subject, persona: bool, question_tokens: int) -> None:
        self._subject = subject
        self._persona = subject.persona if persona else None
        turns = subject.turns
        assert judge.renderer is not None
        count = judge.renderer.count_text
        empty = Said(0, turns[0].speaker, "x")
        fixed = judge.render(Body(prompt.transcript(turns, [empty], self._persona), turns), "x").tokens
        room = judge.budget - fixed - question_tokens - BLOCK  # the line under the turns
        costs = [count(judge.renderer.neutralize(prompt.line_of(said)) + "\n\n") + 1 for said in turns]
        self.split: Split = split(costs, max(room, 0))
        self.bodies = [self._body(window.first, window.end) for window in self.split.windows]

    def _body(self, first: int, end: int) -> Body:
        turns = self._subject.turns
        return Body(prompt.transcript(turns, turns[first:end], self._persona), turns[first:end])

    def body_of(self, place: int) -> int | None:
        """The number of the window with the most turns before this one; None if the turn is in no window."""
        holding = [number for number, window in enumerate(self.split.windows) if place in window]
        return min(holding, key=lambda number: self.split.windows[number].first, default=None)


def question_tokens(judge: Judge, plan: Plan) -> int:
    """Tokens to reserve for the longest question, in steps."""
    assert judge.renderer is not None
    longest = max(map(judge.renderer.count_text, plan.questions()))
    if longest <= QUESTION_TOKENS:
        return QUESTION_TOKENS
    return QUESTION_TOKENS + -(-(longest - QUESTION_TOKENS) // _STEP) * _STEP


class SessionJudge:
    """Judges one subject."""

    def __init__(self, judge: Judge, plan: Plan, subject: Subject, room: int) -> None:
        self._judge = judge
        self._plan = plan
        self._subject = subject
        self._room = room
        self._windows: dict[bool, Windows] = {}
        self._merged: dict[tuple[str, str, int, int], Verdict] = {}
        self._asked: dict[tuple[str, str, int, int], list[Asked]] = {}
        self._turns: dict[tuple[str, str, int, int], dict[int, Verdict]] = {}

    async def run(self) -> Judged:
        """All scores of the subject, in the order of rubrics, items, orders and repeats."""
        for persona in (False, True):
            rubrics = [r for r in self._plan.rubrics if (r.sees.persona == "full") is persona]
            if rubrics and self._subject.turns:
                await self._run(rubrics, persona)
        scores = tuple(
            self._score(rubric, item, repeat, order)
            for rubric in self._plan.rubrics
            for item in rubric.items
            if self._subject.asks(rubric.id, item.id)
            for repeat, order in self._plan.variants()
        )
        gates = tuple(
            gate_of(rubric, self._subject, [score for score in scores if score.rubric == rubric.id], self._judge.name)
            for rubric in self._plan.rubrics
            if rubric.kind == "gate" and self._subject.only_items is None
        )
        return Judged(self._subject, scores, gates)

    async def _run(self, rubrics: Sequence[Rubric], persona: bool) -> None:
        if persona and self._subject.persona is None:
            return
        windows = self._windows[persona] = Windows(self._judge, self._subject, persona, self._room)
        depth = max(len(rubric.stages()) for rubric in rubrics)
        for stage in range(depth):
            wanted = [
                (rubric, item)
                for rubric in rubrics
                if stage < len(rubric.stages())
                for item in rubric.stages()[stage]
                if self._subject.asks(rubric.id, item.id)
            ]
            await self._stage(wanted, windows)

    async def _stage(self, wanted: Sequence[tuple[Rubric, Item]], windows: Windows) -> None:
        """Ask these items in one window after another, then merge the answers into one verdict for each item."""
        variants = self._plan.variants()
        left = [
            (rubric, item, repeat, order)
            for rubric, item in wanted
            for repeat, order in variants
            if not self._settled(rubric, item, repeat, order)
        ]
        turns = self._turn_asks(windows)
        found: dict[tuple[str, str, int, int], list[Asked]] = {_id(*entry): [] for entry in left}
        for number, body in enumerate(windows.bodies):
            asks: list[Ask] = []
            for rubric, item, repeat, order in left:
                if rubric.unit_of(item) == "session":
                    asks.append(Ask(rubric, item, repeat, order))
                else:
                    asks += [
                        Ask(rubric, item, repeat, order, said.index) for said in turns[rubric.target].get(number, ())
                    ]
            answers = await asyncio.gather(*(self._judge.ask(self._subject, body, ask) for ask in asks))
            for ask, asked in zip(asks, answers, strict=True):
                key = _id(ask.rubric, ask.item, ask.repeat, ask.order)
                found[key].append(asked)
                if ask.turn is not None:
                    self._turns.setdefault(key, {})[ask.turn] = asked.verdict
        self._asked |= found
        await asyncio.gather(*(self._merge(*entry, windows, turns) for entry in left))

    def _settled(self, rubric: Rubric, item: Item, repeat: int, order: int) -> bool:
        """Whether the answers to the items that it needs decide this item without asking."""
        if not item.needs or self._subject.only_items is not None:  # in a control, the planted turn meets the condition
            return False
        others = {need.item: self._merged[rubric.id, need.item, repeat, order] for need in item.needs}
        verdict = unmet(item, others)
        if verdict is not None:
            self._merged[_id(rubric, item, repeat, order)] = verdict
        return verdict is not None

    def _turn_asks(self, windows: Windows) -> Mapping[str, Mapping[int, list[Said]]]:
        """For each target and window, the turns about which questions are asked there."""
        found: dict[str, dict[int, list[Said]]] = {"patient": {}, "therapist": {}}
        only = self._subject.only_turns
        for place, said in enumerate(self._subject.turns):
            number = windows.body_of(place)
            if number is not None and (only is None or said.index in only):
                found[said.speaker].setdefault(number, []).append(said)
        return found

    async def _merge(
        self,
        rubric: Rubric,
        item: Item,
        repeat: int,
        order: int,
        windows: Windows,
        turns: Mapping[str, Mapping[int, list[Said]]],
    ) -> None:
        key = _id(rubric, item, repeat, order)
        verdicts = [asked.verdict for asked in self._asked[key]]
        if rubric.unit_of(item) == "turn":
            by_turn = self._turns.setdefault(key, {})
            only = self._subject.only_turns
            for place in windows.split.too_long:
                said = self._subject.turns[place]
                if said.speaker == rubric.target and (only is None or said.index in only):
                    by_turn[said.index] = missing(Status.DOES_NOT_FIT, "the turn is longer than the judge's window")
            self._merged[key] = merge_turns(item, dict(sorted(by_turn.items())))
            return
        if windows.split.too_long:
            number = self._subject.turns[windows.split.too_long[0]].index
            verdicts.append(missing(Status.DOES_NOT_FIT, f"turn {number} is longer than the judge's window"))
        merged = merge(item, verdicts)
        if item.merge == "whole" and len(verdicts) > 1:
            merged = await self._whole(Ask(rubric, item, repeat, order), verdicts, merged, key)
        self._merged[key] = merged

    async def _whole(
        self, ask: Ask, verdicts: Sequence[Verdict], merged: Verdict, key: tuple[str, str, int, int]
    ) -> Verdict:
        """If windows differ, ask the same question about the quotes from all windows."""
        if merged.status is not Status.UNSUPPORTED or any(v.status is Status.UNSUPPORTED for v in verdicts):
            return merged
        found = together(verdicts)
        if not found:
            return merged
        speakers = {said.index: said.speaker for said in self._subject.turns}
        parts = [(entry.turn, entry.quote) for entry in found]
        quoted = [Said(turn, speakers[turn], quote) for turn, quote in parts]
        asked = await self._judge.ask(self._subject, Body(prompt.quotes(self._subject.turns, parts), quoted), ask)
        self._asked[key].append(asked)
        return asked.verdict

    def _score(self, rubric: Rubric, item: Item, repeat: int, order: int) -> Score:
        key = _id(rubric, item, repeat, order)
        verdict = self._merged.get(key) or missing(Status.ENGINE_ERROR, self._why_not(rubric))
        asked = self._asked.get(key, [])
        chosen = item.answer(verdict.answer) if verdict.answer else None
        windows = self._windows.get(rubric.sees.persona == "full")
        return Score(
            session_id=self._subject.session_id,
            persona_id=self._subject.persona_id,
            seed=self._subject.seed,
            course=self._subject.course,
            rubric=rubric.id,
            revision=rubric.revision,
            item=item.id,
            judge=self._judge.name,
            repeat=repeat,
            order=order,
            status=verdict.status,
            value=verdict.value,
            answer=verdict.answer,
            severity=chosen.severity if chosen and verdict.status is Status.OK else None,
            evidence=_evidence(verdict),
            reason=verdict.reason,
            rejected_quotes=verdict.rejected,
            windows=max(1, len(windows.bodies)) if windows else 1,
            turns=tuple(
                TurnScore(
                    turn=turn, status=v.status, answer=v.answer, value=v.value, evidence=_evidence(v), reason=v.reason
                )
                for turn, v in sorted(self._turns.get(key, {}).items())
            ),
            tokens={
                "prompt": sum(entry.prompt for entry in asked),
                "cached": sum(entry.cached for entry in asked),
                "completion": sum(entry.completion for entry in asked),
            },
            key=asked[-1].key if asked else "",
        )

    def _why_not(self, rubric: Rubric) -> str:
        if not self._subject.turns:
            return "the session has no turns"
        if rubric.sees.persona == "full" and self._subject.persona is None:
            return "the persona is not at hand"
        return "was not asked"


def _id(rubric: Rubric, item: Item, repeat: int, order: int) -> tuple[str, str, int, int]:
    return rubric.id, item.id, repeat, order


def _evidence(verdict: Verdict) -> tuple[Evidence, ...]:
    return tuple(Evidence(turn=f.turn, quote=f.quote, corrected_from=f.corrected_from) for f in verdict.evidence)
