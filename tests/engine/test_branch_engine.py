"""Branches on a real engine that repeats itself: the same continuation under the same seed says the same again."""

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.records import read_sessions
from tests.fixtures.tiny_model import tiny_model

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def model(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(small_model, tmp_path_factory.mktemp("model"))


def texts(folder: Path) -> dict[str, list[str]]:
    return {one.session_id: [turn.text for turn in one.turns] for one in read_sessions(folder / "sessions.jsonl")}


def test_the_same_continuation_under_the_same_seed_repeats_in_batches_of_one(model: Path, tmp_path: Path) -> None:
    played = [
        "engine=transformers", f"model.path={model}", "model.dtype=float32", "engine.max_model_len=2048", "guard=off",
        "personas=[two-cups]", "max_exchanges=3", "min_exchanges=3", "therapist.max_new_tokens=12",
        "patient.max_new_tokens=12", "engine.max_batch=1",
    ]  # fmt: skip
    assert main(["run", *played, f"run.dir={tmp_path / 'run'}"]) == 0
    for name in ("once", "again"):
        assert main(["branch", str(tmp_path / "run"), "--turn", "3", "--k", "2", f"run.dir={tmp_path / name}"]) == 0
    (parent,) = texts(tmp_path / "run").values()
    once = texts(tmp_path / "once")
    assert once == texts(tmp_path / "again")
    assert once["two-cups-000@3.0"] == parent
    assert once["two-cups-000@3.1"][:3] == parent[:3]
    assert once["two-cups-000@3.1"][3] != parent[3]
