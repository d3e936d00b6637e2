"""Makes Hydra search the user's own config folder before the packaged one.

Hydra itself only appends folders (`--config-dir`, `hydra.searchpath`), so a user's file could be added to conf/ but never
replace a file in it. A search-path plugin can prepend a folder; ours is registered on first use.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from harness.config.plugins import folders

_own: ContextVar[Path | None] = ContextVar("own_config_dir", default=None)


@contextmanager
def own_first(config_dir: Path | None) -> Iterator[None]:
    """Within the block, Hydra searches `config_dir` before any other folder."""
    _register()
    token = _own.set(config_dir)
    try:
        with warnings.catch_warnings():
            # Our files in conf/hydra/launcher/ have the names of launchers whose plugins may bring a schema: intended.
            warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore")
            yield
    finally:
        _own.reset(token)


@cache
def _register() -> None:
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class OwnConfigFirst(SearchPathPlugin):
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            if (own := _own.get()) is not None:
                search_path.prepend("--config-dir", f"file://{own}")
            for folder in folders():
                search_path.append("plugin", f"file://{folder}")

    Plugins.instance().register(OwnConfigFirst)
