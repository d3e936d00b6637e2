"""Exports of what the small model said on vLLM: every row is what `show` prints and what the engine got, whatever the policy."""

from pathlib import Path

import pytest

import harness
from harness.types import Request
from tests.fixtures.exported import check_rows
from tests.fixtures.noted import noted

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Request]:
    """What vLLM gets, by request id."""
    from harness.engines.vllm.engine import VllmEngine

    return noted(VllmEngine, monkeypatch)


@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid", "none"])
def test_rows_are_what_show_prints_and_the_engine_got(
    policy: str, sent: dict[str, Request], small_model: Path, tmp_path: Path
) -> None:
    window = 4096 if policy == "none" else 1024
    note = ["context.note_tokens=96"] if policy in ("summarize", "hybrid") else []
    run = harness.run(
        f"context={policy}", f"model.path={small_model}", "engine=vllm",
        f"engine.max_model_len={window}", "personas=[two-cups]", "max_exchanges=12", "min_exchanges=12", "guard=off",
        "therapist.max_new_tokens=128", "patient.max_new_tokens=32", *note,
        run={"dir": str(tmp_path / "run")}, quiet=True,
    )  # fmt: skip
    assert run.exit_code == 0
    check_rows(run.path, sent, tmp_path, canonical=False, keep=["--keep", "all"])
