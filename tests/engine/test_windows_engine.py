"""A model's window, over a table of configs, is the one that the installed vLLM derives."""

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from harness.config.schema import ModelConfig
from harness.engines.vllm.versions import installed
from harness.models.limits import limits

pytest.importorskip("vllm")

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 64,
    "num_attention_heads": 4, "num_hidden_layers": 1, "vocab_size": 100,
}  # fmt: skip


def llama(length: int | None, **rope: Any) -> dict[str, Any]:
    config = LLAMA if length is None else {**LLAMA, "max_position_embeddings": length}
    return {**config, "rope_scaling": rope} if rope else config


def of(kind: str, architecture: str, length: int | None, **more: Any) -> dict[str, Any]:
    return {**llama(length), "model_type": kind, "architectures": [architecture], **more}


LLAMA3 = {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
LONG = {"long_factor": [1.0] * 8, "short_factor": [1.0] * 8}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama-3.2": llama(131072, rope_type="llama3", **LLAMA3),
    "llama-3.1": llama(131072, rope_type="llama3", **(LLAMA3 | {"factor": 8.0})),
    "llama-3.1, parameters": {
        **llama(131072),
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, **LLAMA3},
    },
    "llama-2": llama(4096),
    "llama, no length": llama(None),
    "linear": llama(4096, type="linear", factor=4.0),
    "linear, new key": llama(4096, rope_type="linear", factor=2.5),
    "dynamic": llama(4096, type="dynamic", factor=2.0),
    "yarn": llama(32768, type="yarn", factor=4.0, original_max_position_embeddings=32768),
    "yarn, scaled": llama(131072, rope_type="yarn", factor=4.0, original_max_position_embeddings=32768),
    "default with nothing": {**llama(8192), "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    "qwen2": of("qwen2", "Qwen2ForCausalLM", 32768, sliding_window=131072, use_sliding_window=False),
    "qwen3": of("qwen3", "Qwen3ForCausalLM", 40960, head_dim=16),
    "mistral": of("mistral", "MistralForCausalLM", 32768, sliding_window=4096),
    "mistral, no length": of("mistral", "MistralForCausalLM", None),
    "gemma2": of("gemma2", "Gemma2ForCausalLM", 8192, head_dim=16),
    "gemma3 text": of("gemma3_text", "Gemma3ForCausalLM", 131072, head_dim=16),
    "gemma3 text, scaled": of(
        "gemma3_text", "Gemma3ForCausalLM", 131072, head_dim=16, rope_scaling={"rope_type": "linear", "factor": 8.0}
    ),
    "phi3 mini 4k": of("phi3", "Phi3ForCausalLM", 4096, original_max_position_embeddings=4096, pad_token_id=0),
    "phi3 mini 128k": of(
        "phi3", "Phi3ForCausalLM", 131072, original_max_position_embeddings=4096, pad_token_id=0,
        rope_scaling={"type": "longrope", **LONG},
    ),
    "phi3 mini 128k, first files": of(
        "phi3", "Phi3ForCausalLM", 131072, original_max_position_embeddings=4096, pad_token_id=0,
        rope_scaling={"type": "su", "original_max_position_embeddings": 4096, **LONG},
    ),
    "command-r": of("cohere", "CohereForCausalLM", 8192, model_max_length=131072, pad_token_id=0),
    "gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 1024, "n_embd": 64, "n_head": 4},
    "gpt-neox": of("gpt_neox", "GPTNeoXForCausalLM", 2048),
    "mpt": {"model_type": "mpt", "architectures": ["MPTForCausalLM"], "max_seq_len": 2048, "d_model": 64, "n_heads": 4},
    "opt": of("opt", "OPTForCausalLM", 2048, ffn_dim=64, word_embed_proj_dim=64),
    "granite": of("granite", "GraniteForCausalLM", 131072),
    "smollm3": of("smollm3", "SmolLM3ForCausalLM", 65536),
    "gpt-oss": of(
        "gpt_oss", "GptOssForCausalLM", 131072, head_dim=16, initial_context_length=4096,
        rope_scaling={"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096},
    ),
    "mistral3, text inside": {
        "model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"],
        "text_config": of("mistral", "MistralForCausalLM", 131072), "vision_config": {"model_type": "pixtral"},
    },
    "qwen2.5-vl, text inside": {
        **of("qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", 128000),
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "vision_config": {},
    },
}  # fmt: skip


def of_vllm(folder: Path, asked: int | None) -> int:
    """What vLLM makes of the folder; raises ValueError for more than it serves."""
    from vllm.config import model as vllm_model
    from vllm.transformers_utils import config as vllm_config
    from vllm.transformers_utils import model_arch_config_convertor as arch

    found = vllm_config.get_config(str(folder), trust_remote_code=False)
    text = vllm_config.get_hf_text_config(found)
    convertor = arch.MODEL_ARCH_CONFIG_CONVERTORS.get(found.model_type, arch.ModelArchConfigConvertorBase)(found, text)

    class Derived:
        derived_max_model_len_and_key = convertor.derive_max_model_len_and_key()

    return int(vllm_model._get_and_verify_max_len(text, Derived(), None, asked, False, None))


LATER = {"yarn": "0.30"}
"""Before that version vLLM took the factor times the named length, more than the model can do; ours is right in both."""


@pytest.mark.parametrize("name", CONFIGS)
def test_the_window_is_the_one_that_vllm_derives(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    ours = limits(ModelConfig(path=str(tmp_path)))
    assert ours is not None
    if name in LATER and Version(installed() or "0") < Version(LATER[name]):
        assert ours.usual < of_vllm(tmp_path, None)
        assert of_vllm(tmp_path, ours.longest) == ours.longest
        return
    assert ours.usual == of_vllm(tmp_path, None)
    assert of_vllm(tmp_path, ours.longest) == ours.longest
    with pytest.raises(ValueError, match="is greater than"):
        of_vllm(tmp_path, ours.longest + 1)
