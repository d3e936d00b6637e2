"""How many sessions to keep in flight, and why."""

from harness.engines.base import EngineInfo

_DRY, _REMOTE = 1000, 64


def auto_concurrency(info: EngineInfo, expected_session_tokens: int, max_batch: int = 32) -> tuple[int, str]:
    """The number of sessions in flight, and the reason as text.

    With a shared KV cache: as many as it holds at `expected_session_tokens` (tokens of all views that one session has on
    this engine, at their longest), rounded up to whole cache blocks, so that no session's prefix is evicted between its
    turns. With more sessions, the engine would compute every prompt again.
    """
    if info.kv_cache_tokens is not None:
        block = info.cache_block_tokens or 1
        session = -(-expected_session_tokens // block) * block
        each = max(1, info.kv_cache_tokens // session)
        if info.cache_ranks > 1:
            held = f"{info.cache_ranks} KV caches of {info.kv_cache_tokens} tokens hold {each} sessions of {session} tokens each"
            return each * info.cache_ranks, held
        return each, f"the KV cache of {info.kv_cache_tokens} tokens holds {each} sessions of {session} tokens"
    if info.kind == "transformers":
        return max_batch, f"one batch of engine.max_batch={max_batch}"
    if info.kind == "dry":
        return _DRY, f"the dry engine has no limit of its own; {_DRY} keeps memory small"
    return _REMOTE, f"the server does not report its cache; {_REMOTE} is a safe guess, set concurrency=N to change it"
