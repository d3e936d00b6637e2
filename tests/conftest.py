"""What all tests share."""

import os
from pathlib import Path

import pytest

from harness.types import Request
from tests.fixtures.noted import noted


@pytest.fixture(scope="session")
def small_model() -> Path:
    """Folder of SmolLM2-135M-Instruct: HARNESS_TEST_MODEL where that is set, else what `harness fetch` provides."""
    named = os.environ.get("HARNESS_TEST_MODEL")
    if named:
        return Path(named)
    from harness.models.fetch import ensure

    return ensure("smollm2-135m")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Request]:
    """What the dry engine gets in this process, by request id."""
    from harness.engines.dry.engine import DryEngine

    return noted(DryEngine, monkeypatch)
