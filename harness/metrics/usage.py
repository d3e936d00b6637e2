"""What a session cost in tokens and how near its prompts came to the window."""

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
    says="{a} finds {by} of its prompt tokens in the cache than {b}",
)
@headline(
    "usage.prefill_per_generated",
    label="prompt tokens computed for one generated",
    group="Cost",
    better="lower",
    says="{a} computes {by} for one generated than {b}",
    unit=" prompt tokens",
    less="fewer",
)
def usage(turns: Sequence[Turn]) -> dict[str, Any]:
    """Sums over turns.

    `prefill_per_generated` is the number of prompt tokens that the engine had to compute (not cached) for one generated
    token; both it and `cached_share` are None where the engine does not tell. `fullest_window` is the greatest share of a
    window that a prompt and its reserve took.
    """
    prompt = sum(turn.prompt_tokens for turn in turns)
    told = [turn for turn in turns if turn.cached_tokens is not None]
    known = sum(turn.prompt_tokens for turn in told)
    cached = sum(turn.cached_tokens or 0 for turn in turns) if told or not turns else None
    whole = cached is not None and len(told) == len(turns)
    generated = sum(turn.completion_tokens for turn in turns)
    return {
        "prompt_tokens": prompt,
        "cached_tokens": cached,
        "completion_tokens": generated,
        "cached_share": round(cached / known, 4) if cached is not None and known else None,
        "prefill_per_generated": round((prompt - (cached or 0)) / generated, 4) if generated and whole else None,
        "longest_prompt": max((turn.prompt_tokens for turn in turns), default=0),
        "fullest_window": max((fullness(turn) for turn in turns if turn.max_model_len), default=None),
        "cut_off_turns": sum(turn.finish_reason == FinishReason.LENGTH for turn in turns),
        "evicted_turns": max((turn.evicted_turns for turn in turns), default=0),
        "latency_s": round(sum(turn.latency_s for turn in turns), 3),
    }


def fullness(turn: Turn) -> float:
    """Share of the window that the prompt and the reserve for its answer took."""
    return round((turn.prompt_tokens + turn.max_new_tokens) / turn.max_model_len, 4)
