"""What all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_model() -> Path:
    """Folder of SmolLM2-135M-Instruct: HARNESS_TEST_MODEL where that is set, else what `harness fetch` provides."""
    named = os.environ.get("HARNESS_TEST_MODEL")
    if named:
        return Path(named)
    from harness.models.fetch import ensure

    return ensure("smollm2-135m")
