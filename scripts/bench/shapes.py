#!/usr/bin/env python
"""Makes a model folder of a real model's shape without weights, for vLLM's `load_format=dummy`.

    python scripts/bench/shapes.py 8b FOLDER [--tokenizer FOLDER]

The shapes are those of Llama 3.1 8B and Llama 3.2 3B, except for the vocabulary: it is that of the tokenizer (default: the
small model's), so that every sampled token can be decoded. `tiny` is for trials on a CPU. Speed and memory traffic are
those of a real model, except for the last layer, which is smaller with the smaller vocabulary. The text is noise, so most
answers end at their token limit.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.models.fetch import ensure

SMALL = "smollm2-135m"
SHAPES = {
    "8b": (4096, 32, 32, 8, 14336, 128, False),
    "3b": (3072, 28, 24, 8, 8192, 128, True),
    "tiny": (256, 2, 4, 2, 512, 64, True),
}
NAMES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "head_dim",
    "tie_word_embeddings",
)
CONSTANT = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "dtype": "bfloat16",
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
    "mlp_bias": False,
    "initializer_range": 0.02,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
    "use_cache": True,
}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def make(shape: str, folder: Path, tokenizer: Path | None = None) -> Path:
    """Write the folder of a shape in SHAPES and return it. Raises `HarnessError` if the small model is not available."""
    source = tokenizer or ensure(SMALL)
    small = json.loads((source / "config.json").read_text("utf-8"))
    kept = {key: small[key] for key in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id") if key in small}
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONSTANT, **dict(zip(NAMES, SHAPES[shape], strict=True)), **kept}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    for name in TOKENIZER:
        if (source / name).is_file():
            shutil.copy2(source / name, folder / name)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="a model folder whose tokenizer is used")
    given = parser.parse_args()
    print(make(given.shape, given.folder, given.tokenizer))
