"""What a patient asks its own model beside the dialogue, on a real model with its real grammar."""

from pathlib import Path

from harness.agents.appraiser import ANSWER_TOKENS, ModelAppraiser
from harness.agents.inner_state import initial
from harness.agents.narrator import ANSWER_TOKENS as NARRATIVE_TOKENS
from harness.agents.narrator import Narrator
from harness.agents.self_check import SelfCheck
from harness.config.schema import EngineConfig, ModelConfig
from harness.context.ask import StructuredQuery
from harness.context.budget import Window
from harness.context.render.renderer import Renderer
from harness.engines.transformers.engine import TransformersEngine
from harness.paths import persona_dir
from harness.personas.library import load
from harness.personas.sampler import sample
from harness.types import SessionSpec, Speaker, Turn
from tests.sessions import dialogue

WINDOW = 1536
SMALL = 768
"""Of the questions about turns."""


async def test_a_small_model_s_grades_and_verdicts_are_usable_in_a_small_window(small_model: Path) -> None:
    persona = load(["two-cups"], [persona_dir()])[0]
    spec = SessionSpec("two-cups-000", persona.id, 3, 0)
    history = dialogue(["I set out two cups again this morning. " * 20, "That sounds lonely. What was it like? " * 20])
    engine = TransformersEngine(
        EngineConfig(kind="transformers", max_model_len=WINDOW), ModelConfig(path=str(small_model))
    )
    await engine.start()
    try:
        renderer = Renderer.load(str(small_model))
        query = StructuredQuery(engine, renderer, Window(SMALL), max_new_tokens=ANSWER_TOKENS)
        _, events = await ModelAppraiser(query, persona, spec).appraise(history)
        assert [event.data["by"] for event in events] == ["model"], events
        draft = Turn(2, Speaker.PATIENT, "I drank mine and looked at the other one.")
        _, events = await SelfCheck(persona, spec, query).check(history, draft, initial(persona))
        assert all(event.data["form"] in ("helper", "facts", "mood") for event in events), events
        narrator = Narrator(
            StructuredQuery(engine, renderer, Window(WINDOW), max_new_tokens=NARRATIVE_TOKENS), "small", 3
        )
        composed = sample(1, 3)[0]
        written = await narrator.write(composed)
        said = written.provenance.source.partition("; ")[2]
        changed = (written.presenting_problem, written.history) != (composed.presenting_problem, composed.history)
        assert said.startswith("narrative written by small" if changed else "no narrative by small: "), said
        assert "JSON" not in said
    finally:
        await engine.close()
