"""What a judging run would take, before anything is spent: requests, tokens, money."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.config.schema import PriceConfig
from harness.judges import prompt
from harness.judges.asking import Ask, Judge
from harness.judges.judging import Plan, Windows, question_tokens
from harness.judges.subject import Subject


@dataclass(slots=True)
class Cost:
    """Upper estimates: conditions between items are taken as met, second tries are not counted."""

    subjects: int = 0
    requests: int = 0
    recorded: int = 0
    """Of these, how many are answered from what is recorded."""
    prompt_tokens: int = 0
    """Of the requests that will be sent."""
    shared_tokens: int = 0
    """Of these, tokens that an earlier request already had: what a prefix cache can save."""
    completion_tokens: int = 0
    """At most."""
    windows: int = 0

    def dollars(self, price: PriceConfig) -> float | None:
        """At most; None where prices are not known."""
        if price.prompt is None or price.completion is None:
            return None
        cached = price.prompt if price.cached is None else price.cached
        fresh = self.prompt_tokens - self.shared_tokens
        return (fresh * price.prompt + self.shared_tokens * cached + self.completion_tokens * price.completion) / 1e6


def estimate(judge: Judge, plan: Plan, subjects: Iterable[Subject]) -> Cost:
    """Count what would be asked."""
    assert judge.renderer is not None
    cost = Cost()
    room = question_tokens(judge, plan)
    lengths: dict[tuple[str, str], int] = {}
    for subject in subjects:
        cost.subjects += 1
        for persona in (False, True):
            rubrics = [r for r in plan.rubrics if (r.sees.persona == "full") is persona]
            if not rubrics or not subject.turns or (persona and subject.persona is None):
                continue
            windows = Windows(judge, subject, persona, room)
            cost.windows += len(windows.bodies)
            for number, body in enumerate(windows.bodies):
                shared = judge.render(body, "x").tokens
                first = True
                for rubric in rubrics:
                    for item in rubric.items:
                        if not subject.asks(rubric.id, item.id):
                            continue
                        turns: list[int | None] = [None]
                        if rubric.unit_of(item) == "turn":
                            turns = [
                                said.index
                                for place, said in enumerate(subject.turns)
                                if said.speaker == rubric.target
                                and windows.body_of(place) == number
                                and (subject.only_turns is None or said.index in subject.only_turns)
                            ]
                        key = (rubric.id, item.id)
                        if key not in lengths:
                            lengths[key] = judge.renderer.count_text(
                                prompt.question(rubric, item, turn=turns[0] if turns else None)
                            )
                        for turn in turns:
                            for repeat, order in plan.variants():
                                cost.requests += 1
                                if judge.judgements.get(judge.key(body, Ask(rubric, item, repeat, order, turn), 0)):
                                    cost.recorded += 1
                                    continue
                                cost.prompt_tokens += shared + lengths[key]
                                cost.shared_tokens += 0 if first else shared
                                cost.completion_tokens += judge.max_new_tokens
                                first = False
    return cost
