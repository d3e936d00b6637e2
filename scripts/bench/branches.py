#!/usr/bin/env python
"""What branches save: prompt tokens that vLLM computes for branches, compared with as many separate sessions.

    python scripts/bench/branches.py [--parents 16] [--k 4] [--turn 20] [--model FOLDER] [--json FILE]

A vLLM server plays the parents up to the exchange of --turn, then K branches of each parent for one exchange, and then as many
separate sessions of the same length. The figures count prompt tokens that were not in the server's prefix cache (`prompt_tokens -
cached_tokens`). For separate sessions, `sent` counts all prompt tokens, which a server without a prefix cache computes. `cold` counts
branches on an engine that starts with an empty cache (engine=vllm) and computes the prompt of every parent once. The default model is
tiny, with random weights and the small model's tokenizer: how much of a prompt is computed does not depend on the text.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vllm_server import vllm_server

from harness.__main__ import main as command
from harness.models.fetch import ensure
from harness.paths import persona_dir
from harness.personas.library import load
from harness.store.records import read_sessions

WINDOW = 4096


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
        settings = [
            f"model.path={model}", f"personas=[{names}]", f"max_exchanges={exchanges}", f"min_exchanges={exchanges}",
            "guard=off", "therapist.max_new_tokens=64", "patient.max_new_tokens=64", "concurrency=64",
        ]  # fmt: skip
        branch = ["branch", str(out / "parents"), "--turn", str(args.turn), "--k", str(args.k), "--exchanges", "1"]
        with served(model, out / "server.log") as address:
            remote = [
                "engine=openai",
                f"engine.base_url={address}",
                "engine.model=bench",
                f"engine.max_model_len={WINDOW}",
            ]
            play("run", *settings, *remote, f"run.dir={out / 'parents'}")
            play(*branch, f"run.dir={out / 'branches'}")
            play("run", *settings, *remote, f"sessions_per_persona={args.k}", "seed=1", f"run.dir={out / 'separate'}")
        play(*branch, "engine=vllm", f"engine.max_model_len={WINDOW}", f"run.dir={out / 'cold'}")
        found: dict[str, float] = {name: computed(out / name, args.turn) for name in ("branches", "cold")}
        found["separate"], found["sent"] = computed(out / "separate", 0), sent(out / "separate")
    found |= {f"{name}_share": round(found[name] / found["separate"], 4) for name in ("branches", "cold")}
    found["cold_share_of_sent"] = round(found["cold"] / found["sent"], 4)
    print(json.dumps(found))
    if args.json:
        args.json.write_text(json.dumps(found))


@contextmanager
def served(model: Path, log: Path) -> Iterator[str]:
    """Start a vLLM server of this model; yields its address, which ends in /v1."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
    options = {
        "model": str(model),
        "served-model-name": "bench",
        "max-model-len": WINDOW,
        "enforce-eager": True,
        "enable-prefix-caching": True,
        "enable-prompt-tokens-details": True,
        "dtype": "bfloat16",
        # Chunked prefill with a seed crashes vLLM on CPUs ("CPU Generator does not use offset").
        "enable-chunked-prefill": False,
        "max-num-batched-tokens": 8192,
    }
    with vllm_server(options, log) as address:
        yield f"{address}/v1"


def play(*words: str) -> None:
    if command(words):
        raise SystemExit(f"failed: {' '.join(words)}")


def computed(run: Path, first: int) -> int:
    """Prompt tokens that the engine computed for the turns from `first` on."""
    return sum(
        turn.prompt_tokens - (turn.cached_tokens or 0)
        for session in read_sessions(run / "sessions.jsonl")
        for turn in session.turns[first:]
    )


def sent(run: Path) -> int:
    """Tokens of all prompts."""
    return sum(turn.prompt_tokens for session in read_sessions(run / "sessions.jsonl") for turn in session.turns)


def tiny(folder: Path) -> Path:
    """Save a Llama of two narrow layers with random weights; returns its folder."""
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
