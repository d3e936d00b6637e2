"""How many tokens a model can attend to, and the refusal of a prompt that is longer.

Invariants:
- An engine's window is never larger than the model's maximum.
- Whether a prompt fits is decided by counting, never by parsing an error message.
"""

from collections.abc import Sequence

from harness.config.schema import EngineConfig, ModelConfig
from harness.errors import ConfigError, PromptRefused, RequestRejected
from harness.models.limits import limits
from harness.types import Prompt


def context_window(engine: EngineConfig, model: ModelConfig) -> int:
    """Window in tokens: the engine's setting, else the model preset's, else the model's own maximum.

    Raises `ConfigError` if the setting exceeds the model's maximum, or if no window is known.
    """
    own = limits(model)
    asked, key = (engine.max_model_len, "engine.max_model_len") if engine.max_model_len else (
        model.max_model_len, "model.max_model_len")  # fmt: skip
    if asked is None:
        if own is None:
            raise ConfigError(
                f"engine.max_model_len: {model.path} does not say how long its window is; set engine.max_model_len=N"
            )
        return own.usual
    if own is not None and asked > own.longest:
        raise ConfigError(f"{key}: found {asked}, expected at most {own.longest}, the window of the model {model.path}")
    return asked


def model_limit(model: ModelConfig) -> int | None:
    """Longest sequence in tokens that the model's config allows, or None if it names none."""
    own = limits(model)
    return None if own is None else own.longest


def checked_ids(prompt: Prompt, max_model_len: int) -> Sequence[int]:
    """The prompt's token ids.

    Raises `PromptRefused` if they and the answer do not fit the window, `RequestRejected` for a prompt without ids.
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
