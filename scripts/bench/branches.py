#!/usr/bin/env python
"""What branches spare: prompt tokens that vLLM has to compute for branches, against as many sessions of their own.

    python scripts/bench/branches.py [--parents 16] [--k 4] [--turn 20] [--model FOLDER] [--json FILE]

Parents are played to the exchange of the turn; then K branches of each go on from it for one exchange; then as many separate
sessions are played to the same length. Counted is what was not in the engine's prefix cache (`prompt_tokens - cached_tokens`).
Without --model it is a tiny model of random weights with the small model's tokenizer: what is computed for a prompt does not depend
on what is said.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.__main__ import main as command
from harness.models.fetch import ensure
from harness.paths import persona_dir
from harness.personas.library import load
from harness.store.records import read_sessions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parents", type=int, default=16)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--turn", type=int, default=20)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        model = args.model or tiny(out / "model")
        names = ",".join(persona.id for persona in load("all", [persona_dir()])[: args.parents])
        exchanges = args.turn // 2 + 1
        words = [
            f"model.path={model}", f"personas=[{names}]", f"max_exchanges={exchanges}", f"min_exchanges={exchanges}",
            "engine=vllm", "engine.max_model_len=4096", "guard=off", "therapist.max_new_tokens=64", "patient.max_new_tokens=64",
            "concurrency=64",
        ]  # fmt: skip
        play("run", *words, f"run.dir={out / 'parents'}")
        branch = ["--turn", str(args.turn), "--k", str(args.k), "--exchanges", "1"]
        play("branch", str(out / "parents"), *branch, f"run.dir={out / 'branches'}")
        play("run", *words, f"sessions_per_persona={args.k}", "seed=1", f"run.dir={out / 'separate'}")
        branches, separate = computed(out / "branches", args.turn), computed(out / "separate", 0)
    found = {"branches": branches, "separate": separate, "share": round(branches / separate, 4)}
    print(json.dumps(found))
    if args.json:
        args.json.write_text(json.dumps(found))


def play(*words: str) -> None:
    if command(words):
        raise SystemExit(f"failed: {' '.join(words)}")


def computed(run: Path, first: int) -> int:
    """Prompt tokens of the turns from `first` on that the engine had to compute."""
    return sum(
        turn.prompt_tokens - (turn.cached_tokens or 0)
        for session in read_sessions(run / "sessions.jsonl")
        for turn in session.turns[first:]
    )


def tiny(folder: Path) -> Path:
    """A Llama of two narrow layers with random weights."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(ensure("smollm2-135m"))
    sizes = {"hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=8192, num_key_value_heads=2, **sizes)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
