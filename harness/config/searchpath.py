"""The user's own config folder comes before the packaged one, for everything that Hydra composes.

Hydra itself only ever appends folders (`--config-dir`, `hydra.searchpath`), so that a file of the user's could add to
conf/ but never replace a file in it. Its search-path plugins can prepend; ours is registered when it is first needed.
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
    """While this is open, Hydra looks into `config_dir` before any other folder."""
    _register()
    token = _own.set(config_dir)
    try:
        with warnings.catch_warnings():
            # A file in conf/hydra/launcher/ is named as the launcher, whose plugin may bring a schema: that is meant.
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
