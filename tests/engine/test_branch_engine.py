"""Branches on a real engine that repeats itself: the same continuation under the same seed says the same again."""

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.records import read_sessions

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def model(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two narrow layers of random weights with the real tokenizer: what is asked here holds for any model."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("model")
    tokenizer = AutoTokenizer.from_pretrained(small_model)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=4096, num_key_value_heads=2, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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
