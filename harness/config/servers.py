"""To which servers the user sends which keys, so that a run folder from elsewhere can't send them to another one.

Invariant: what is remembered was in the user's own words: on a command line, in a call, in their config files. A run folder
only names servers; a key goes to one that is remembered, to this machine, or where the user names it once more.
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
from harness.paths import cache_dir
from harness.reading.files import read_bytes

TRUST_FLAG = "--trust-server"
_FILE = "servers.json"
_MOST_BYTES = 1 << 20


class _Use(NamedTuple):
    """A key that a setting sends to a server."""

    setting: str
    url: str
    variable: str

    @property
    def pair(self) -> tuple[str, str]:
        return _origin(self.url), self.variable


def remember(configs: Sequence[RunConfig]) -> None:
    """Take note of the servers in configs of the user's own; where no note can be made, a resumed run asks again."""
    pairs = {use.pair for config in configs for use in _uses(config) if not _is_here(use.url)}
    known = _known()
    if pairs <= known:
        return
    path = cache_dir() / _FILE
    temporary = path.with_name(f".{_FILE}.{os.getpid()}.new")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(sorted(known | pairs), indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def refuse_server(config: RunConfig, path: Path, overrides: Sequence[str] = (), *, trusted: bool = False) -> None:
    """Raise `StorageError` where a key would go to a server that only the run folder `path` names.

    A server that one of `overrides` (KEY=VALUE) spells is the user's own word.
    """
    named = {override.partition("=")[0] for override in overrides}
    known = _known()
    for use in _uses(config):
        if trusted or _is_here(use.url) or use.pair in known or named & {use.setting, "engine.base_url"}:
            continue
        raise StorageError(
            f"{path / 'run.json'}: {use.setting}: the key in {use.variable} would go to {_origin(use.url)}, which no run of "
            f"yours has named; where it is the right one, add {use.setting}={use.url} ({TRUST_FLAG} for replay-check)"
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
