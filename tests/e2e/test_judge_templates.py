"""A judge's requests under the chat templates of many families: exact, and alike up to the question."""

from itertools import takewhile
from pathlib import Path

import pytest

from harness.context.budget import Window
from harness.context.render.renderer import Renderer
from harness.judges import prompt
from harness.judges.asking import Judge
from harness.judges.body import Body
from harness.judges.judgements import Judgements
from harness.types import Sampling
from tests.fixtures.judging import long_session, rubrics, subject
from tests.fixtures.templates import FAMILIES, tokenizer


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_requests_are_exact_and_share_what_comes_before_the_question(
    family: str, small_model: Path, tmp_path: Path
) -> None:
    renderer = Renderer(tokenizer(family, small_model))
    turns = subject("s", long_session(6)).turns
    made = Judge(
        *("judge", "f", Judgements(tmp_path)),
        engine=None,
        renderer=renderer,
        window=Window(8192),
        sampling=Sampling(),
        max_new_tokens=200,
    )
    body = Body(prompt.transcript(turns, turns, None), turns)
    found = []
    for rubric in rubrics("safety-gate", "empathy"):
        for item in rubric.items:
            rendered = made.render(body, prompt.question(rubric, item))
            assert rendered.ids == renderer.render_full(rendered.messages)
            found.append(list(rendered.ids))
    made.judgements.close()
    shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, zip(*found, strict=False)))
    assert shared > renderer.count_text(body.text), "the transcript is computed again for every question"
