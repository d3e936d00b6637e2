"""How many tokens a model can attend to, and the refusal of a prompt that is longer.

Invariants:
- An engine's window is never larger than what the model can do.
- A prompt is judged by counting, never by parsing an error message.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.schema import EngineConfig, ModelConfig
from harness.errors import ConfigError, PromptRefused, RequestRejected
from harness.types import Prompt

_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")


def context_window(engine: EngineConfig, model: ModelConfig) -> int:
    """Window in tokens: the engine's setting, else the model preset's, else the model's own maximum.

    Raises `ConfigError` where the setting is more than the model can do, or where nothing says how long it is.
    """
    own = model_limit(model)
    asked, key = (engine.max_model_len, "engine.max_model_len") if engine.max_model_len else (
        model.max_model_len, "model.max_model_len")  # fmt: skip
    if asked is None:
        if own is None:
            raise ConfigError(
                f"engine.max_model_len: {model.path} does not say how long its window is; set engine.max_model_len=N"
            )
        return own
    if own is not None and asked > own:
        raise ConfigError(f"{key}: found {asked}, expected at most {own}, the window of the model {model.path}")
    return asked


def model_limit(model: ModelConfig) -> int | None:
    """Longest sequence in tokens that the model's config allows (scaled rotary embeddings included), or None."""
    config = _model_config(model)
    text = config.get("text_config")
    if isinstance(text, Mapping):
        config = {**config, **text}
    lengths = [config[key] for key in _LENGTH_KEYS if isinstance(config.get(key), int)]
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    if isinstance(rope, Mapping):
        factor, original = rope.get("factor"), rope.get("original_max_position_embeddings")
        if isinstance(factor, int | float) and isinstance(original, int):
            lengths.append(int(factor * original))
    return max(lengths, default=None)


def _model_config(model: ModelConfig) -> Mapping[str, Any]:
    folder = Path(model.path)
    if folder.is_dir():
        file = folder / "config.json"
        config: Mapping[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        return config
    from transformers import AutoConfig

    try:
        found = AutoConfig.from_pretrained(
            model.path, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"model.path: found {model.path}, expected a model folder or a hub id that can be reached ({reason})"
        ) from error
    read: Mapping[str, Any] = found.to_dict()
    return read


def checked_ids(prompt: Prompt, max_model_len: int) -> Sequence[int]:
    """The prompt's token ids, once it is sure that they and the answer fit.

    Raises `PromptRefused` where they do not, `RequestRejected` for a prompt without ids.
    """
    if prompt.ids is None:
        raise RequestRejected("an in-process engine needs token ids, and this prompt has none")
    if not prompt.ids:
        raise RequestRejected("the prompt is empty")
    if len(prompt.ids) + prompt.max_new_tokens > max_model_len:
        raise PromptRefused(
            f"prompt of {len(prompt.ids)} tokens and {prompt.max_new_tokens} new tokens "
            f"do not fit the engine's window of {max_model_len}",
            limit=max_model_len,
            counted=len(prompt.ids),
        )
    return prompt.ids
