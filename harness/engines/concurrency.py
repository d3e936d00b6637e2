"""How many sessions are worth having in flight on an engine."""

from harness.engines.base import EngineInfo


def auto_concurrency(info: EngineInfo, session_tokens: int) -> tuple[int, str]:
    """The limit and its reason in words."""
    if info.kv_cache_tokens is not None:
        fits = max(1, info.kv_cache_tokens // max(session_tokens, 1))
        return fits, f"the cache of {info.kv_cache_tokens} tokens holds as many sessions of {session_tokens}"
    return 64, "no shared cache"
