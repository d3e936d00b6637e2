"""Estimates the cost of a judging run before it starts: requests, tokens, money."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from harness.config.schema import PriceConfig
from harness.judges import prompt
from harness.judges.asking import Ask, Judge
from harness.judges.judging import Plan, Windows, question_tokens
from harness.judges.rubric import Rubric
from harness.judges.subject import Subject


@dataclass(slots=True)
class Cost:
    """Estimated cost. All conditions between items count as met; second attempts are not counted."""

    subjects: int = 0
    requests: int = 0
    recorded: int = 0
    """Requests among them that are answered already."""
    prompt_tokens: int = 0
    """Tokens of the prompts that will be sent."""
    shared_tokens: int = 0
    """Prompt tokens that an earlier request shares: a prefix cache can save them."""
    completion_tokens: int = 0
    """Upper bound."""
    windows: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def dollars(self, price: PriceConfig) -> float | None:
        """Upper bound of the price in US dollars; None without prices."""
        if price.prompt is None or price.completion is None:
            return None
        cached = price.prompt if price.cached is None else price.cached
        fresh = self.prompt_tokens - self.shared_tokens
        return (fresh * price.prompt + self.shared_tokens * cached + self.completion_tokens * price.completion) / 1e6


def estimate(judge: Judge, plan: Plan, subjects: Iterable[Subject]) -> Cost:
    """The cost of judging these subjects."""
    cost = Cost()
    room = question_tokens(judge, plan)
    for subject in subjects:
        cost.subjects += 1
        for persona in (False, True):
            rubrics = [rubric for rubric in plan.rubrics if (rubric.sees.persona == "full") is persona]
            if rubrics and subject.turns and not (persona and subject.persona is None):
                _add(cost, judge, plan, subject, rubrics, Windows(judge, subject, persona, room))
    return cost


def _add(cost: Cost, judge: Judge, plan: Plan, subject: Subject, rubrics: Sequence[Rubric], windows: Windows) -> None:
    """Add the cost of all items of these rubrics in these windows."""
    assert judge.renderer is not None
    cost.windows += len(windows.bodies)
    for number, body in enumerate(windows.bodies):
        shared = judge.render(body, "x").tokens
        first = True
        for ask in _asks(plan, subject, rubrics, windows, number):
            cost.requests += 1
            if judge.judgements.get(judge.key(body, ask, 0)):
                cost.recorded += 1
                continue
            question = prompt.question(ask.rubric, ask.item, turn=ask.turn, order=ask.order)
            cost.prompt_tokens += shared + judge.renderer.count_text(question)
            cost.shared_tokens += 0 if first else shared
            cost.completion_tokens += judge.max_new_tokens
            first = False


def _asks(plan: Plan, subject: Subject, rubrics: Sequence[Rubric], windows: Windows, number: int) -> Iterator[Ask]:
    """All questions about one window."""
    for rubric in rubrics:
        for item in rubric.items:
            if not subject.asks(rubric.id, item.id):
                continue
            turns = _turns(subject, rubric, windows, number) if rubric.unit_of(item) == "turn" else [None]
            for turn in turns:
                for repeat, order in plan.variants():
                    yield Ask(rubric, item, repeat, order, turn)


def _turns(subject: Subject, rubric: Rubric, windows: Windows, number: int) -> list[int | None]:
    """The turns that are asked about in this window."""
    return [
        said.index
        for place, said in enumerate(subject.turns)
        if said.speaker == rubric.target
        and windows.body_of(place) == number
        and (subject.only_turns is None or said.index in subject.only_turns)
    ]
