"""vLLM's batch limits: sequences in a batch, and tokens in a step.

`AsyncLLM` without a usage context takes vLLM's smallest defaults (128 sequences and 2,048 tokens) on every GPU. vLLM's
own server and its offline class take more on large GPUs (`get_batch_defaults` in vLLM's arg_utils.py). Sessions are an
offline load: all are known at the start, and nobody waits for a first token. So we take the defaults of the offline
class, but at least the server's, and as many sequences as sessions are in flight.

Invariant: settings in `engine.args` are never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs

MOST_SEQUENCES = 1024
"""vLLM allocates a row of logits for each while it starts: half a GiB at a vocabulary of 128,000. `engine.args` may set
more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that vLLM is started with, and the reason."""

    max_num_seqs: int
    max_num_batched_tokens: int
    why: str

    def __str__(self) -> str:
        return f"max_num_seqs={self.max_num_seqs}, max_num_batched_tokens={self.max_num_batched_tokens} ({self.why})"


def choose(server: tuple[int, int], offline: tuple[int, int], window: int, sessions: int | None) -> Limits:
    """The limits for `sessions` in flight (None: not known) in a window of tokens.

    `server` and `offline` are vLLM's own defaults for its server and its offline class: sequences, and tokens.
    """
    sequences = max(server[0], offline[0], min(sessions or 0, MOST_SEQUENCES))
    tokens = max(server[1], offline[1])
    wanted = f"{sessions} session{'s' if sessions != 1 else ''}" if sessions else "an unknown number of sessions"
    # Without chunked prefill, vLLM refuses a step that can't hold one whole prompt.
    if tokens < window:
        return Limits(sequences, window, f"for {wanted}; one prompt of {window} tokens fits a step")
    return Limits(sequences, tokens, f"for {wanted}; vLLM's server would take {server[0]} and {server[1]}")


def limits(args: "AsyncEngineArgs", given: Mapping[str, Any], window: int, sessions: int | None) -> Limits | None:
    """The limits to start with, from vLLM's own defaults for this machine; None if the user set both."""
    if {"max_num_seqs", "max_num_batched_tokens"} <= given.keys():
        return None
    from vllm.usage.usage_lib import UsageContext

    world = max(1, (args.tensor_parallel_size or 1) * (args.pipeline_parallel_size or 1))
    tokens, sequences = args.get_batch_defaults(world)
    server, offline = UsageContext.OPENAI_API_SERVER, UsageContext.LLM_CLASS
    return choose((sequences[server], tokens[server]), (sequences[offline], tokens[offline]), window, sessions)
