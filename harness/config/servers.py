"""Remembers which keys the user sends to which servers, so that a foreign run folder can't send them elsewhere.

Invariant: only servers that the user named are remembered: on a command line, in a call, or in their config files. If a
run folder names a server, a key goes to it only if it is remembered, is on this machine, or the user names it again.
"""

import ipaddress
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from harness.config.schema import EngineConfig, RunConfig
from harness.errors import StorageError
from harness.locks import acquire, release
from harness.paths import cache_dir
from harness.reading.files import read_bytes

TRUST_FLAG = "--trust-server"
_FILE = "servers.json"
_MOST_BYTES = 1 << 20
_WAIT_S = 10.0
"""Longest wait for another process that writes the file."""


class _Use(NamedTuple):
    """A key that a setting sends to a server."""

    setting: str
    url: str
    variable: str

    @property
    def pair(self) -> tuple[str, str]:
        return _origin(self.url), self.variable


def remember(configs: Sequence[RunConfig]) -> None:
    """Remember the servers in the user's own configs. If that fails, a resumed run asks for them again."""
    pairs = {use.pair for config in configs for use in _uses(config) if not _is_here(use.url)}
    if pairs <= _known():
        return
    path = cache_dir() / _FILE
    temporary = path.with_name(f".{_FILE}.{os.getpid()}.new")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = acquire(path.with_name(f"{_FILE}.lock"), _WAIT_S)  # runs that start together would undo each other's
        try:
            temporary.write_text(json.dumps(sorted(_known() | pairs), indent=1) + "\n", encoding="utf-8")
            temporary.replace(path)
        finally:
            release(held)


def refuse_server(config: RunConfig, path: Path, overrides: Sequence[str] = (), *, trusted: bool = False) -> None:
    """Raise `StorageError` if a key would go to a server that only the run folder `path` names.

    A server in `overrides` (KEY=VALUE) was named by the user.
    """
    named = {override.partition("=")[0] for override in overrides}
    known = _known()
    for use in _uses(config):
        if trusted or _is_here(use.url) or use.pair in known or named & {use.setting, "engine.base_url"}:
            continue
        raise StorageError(
            f"{path / 'run.json'}: {use.setting}: the key in {use.variable} would go to {_origin(use.url)}, which no run of "
            f"yours has named; if it is the right one, add {use.setting}={use.url} ({TRUST_FLAG} for replay-check)"
        )


def _uses(config: RunConfig) -> Iterator[_Use]:
    engines: list[tuple[str, EngineConfig]] = [(str(speaker), role.engine) for speaker, role in config.roles()]
    if config.judge is not None:
        engines.append(("judge", config.judge.engine))
    for name, engine in engines:
        if engine.base_url is not None and engine.api_key_env is not None:
            yield _Use(f"{name}.engine.base_url", engine.base_url, engine.api_key_env)


def _known() -> set[tuple[str, str]]:
    try:
        found = json.loads(read_bytes(cache_dir() / _FILE, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return set()
    pairs = [tuple(pair) for pair in found if isinstance(pair, list)] if isinstance(found, list) else []
    return {(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and all(isinstance(part, str) for part in pair)}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _is_here(url: str) -> bool:
    """Whether a server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
