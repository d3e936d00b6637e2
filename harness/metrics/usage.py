"""Tokens that a session used, and how full its prompts made the window."""

from collections.abc import Sequence
from typing import Any

from harness.metrics.registry import headline
from harness.types import FinishReason, Turn


@headline(
    "usage.cached_share",
    label="prompt tokens found in the cache",
    group="Cost",
    share=True,
    better="higher",
)
@headline(
    "usage.prefill_per_generated",
    label="prompt tokens computed per generated token",
    group="Cost",
    better="lower",
)
def usage(turns: Sequence[Turn]) -> dict[str, Any]:
    """Sums over turns.

    `prefill_per_generated` is the number of prompt tokens that the engine computed (did not find in its cache) per
    generated token. It and `cached_share` are None if the engine does not report cached tokens. `fullest_window` is the
    largest share of a window that a prompt and the reserve for its answer took.
    """
    prompt = sum([turn.prompt_tokens for turn in turns])
    reported = [turn for turn in turns if turn.cached_tokens is not None]
    known = sum([turn.prompt_tokens for turn in reported])
    cached = sum([turn.cached_tokens or 0 for turn in turns]) if reported or not turns else None
    complete = cached is not None and len(reported) == len(turns)
    generated = sum([turn.completion_tokens for turn in turns])
    return {
        "prompt_tokens": prompt,
        "cached_tokens": cached,
        "completion_tokens": generated,
        "cached_share": round(cached / known, 4) if cached is not None and known else None,
        "prefill_per_generated": round((prompt - (cached or 0)) / generated, 4) if generated and complete else None,
        "longest_prompt": max([turn.prompt_tokens for turn in turns], default=0),
        "fullest_window": max([fullness(turn) for turn in turns if turn.max_model_len], default=None),
        "cut_off_turns": sum([turn.finish_reason == FinishReason.LENGTH for turn in turns]),
        "evicted_turns": max([turn.evicted_turns for turn in turns], default=0),
        "latency_s": round(sum([turn.latency_s for turn in turns]), 3),
    }


def fullness(turn: Turn) -> float:
    """The share of the window that the prompt and the reserve for its answer took."""
    return round((turn.prompt_tokens + turn.max_new_tokens) / turn.max_model_len, 4)
