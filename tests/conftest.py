"""What all tests share."""

import os
from importlib import import_module

import pytest


@pytest.fixture(scope="session")
def small_model() -> str:
    """Folder of the small real model: HARNESS_TEST_MODEL, or what `harness fetch` provides."""
    given = os.environ.get("HARNESS_TEST_MODEL")
    return given or str(import_module("harness.models").ensure("smollm2-135m"))
