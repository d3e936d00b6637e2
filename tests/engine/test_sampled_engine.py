"""Ids and log-probabilities as sampled: the model itself says that they are those of these prompts."""

from pathlib import Path
from typing import Any

import orjson
import pytest

import harness
from harness.__main__ import main
from tests.fixtures.tiny_model import tiny_model

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def model(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(small_model, tmp_path_factory.mktemp("model"), width=128)


def log_probabilities(model: Path, rows: list[dict[str, Any]]) -> list[list[float]]:
    """Of every completion, by one pass of the model."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    found = []
    for row in rows:
        with torch.inference_mode():
            scores = network(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(dim=-1)
        first = len(row["prompt_ids"])
        found.append([float(scores[first - 1 + i, token]) for i, token in enumerate(row["completion_ids"])])
    return found


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_rows_hold_what_the_model_sampled(engine: str, model: Path, tmp_path: Path) -> None:
    run = harness.run(
        f"engine={engine}", f"model.path={model}", "model.dtype=float32", "engine.max_model_len=2048", "guard=off",
        "personas=[two-cups]", "max_exchanges=2", "min_exchanges=2", "therapist.max_new_tokens=24",
        "patient.max_new_tokens=24", "keep.logprobs=true", run={"dir": str(tmp_path / "run")}, quiet=True,
    )  # fmt: skip
    assert run.exit_code == 0
    words = ["--format", "sft", "--keep", "all"]
    assert main(["export", str(run.path), *words, "--out", str(tmp_path / "out")]) == 0
    rows = [orjson.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_bytes().splitlines()]
    assert len(rows) == 2
    for row, ours in zip(rows, log_probabilities(model, rows), strict=True):
        assert row["sampled"]
        assert len(row["logprobs"]) == len(row["completion_ids"])
        assert row["logprobs"] == pytest.approx(ours, abs=2e-3)
    lines = [orjson.loads(line) for line in (run.path / "journal.jsonl").read_bytes().splitlines()]
    turns = [line for line in lines if line["event"] == "turn"]
    assert all(line["ids"] and line["logprobs"] for line in turns)
