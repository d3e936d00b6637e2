"""Initializes Hydra for a while, which a process can do only once at a time.

Hydra keeps its state in one object per process. Calls from several threads wait for each other, and a program that is
itself one of Hydra's gets its own state back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from harness.config.searchpath import own_first
from harness.paths import conf_dir

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

_one_at_a_time = RLock()


@contextmanager
def initialized(own: Path | None) -> Iterator["Hydra"]:
    """Hydra itself, which within the block finds the user's own config folder first, then the packaged `conf/`."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    with _one_at_a_time:
        outer = GlobalHydra.instance().hydra
        GlobalHydra.instance().clear()
        try:
            with own_first(own), initialize_config_dir(str(conf_dir()), job_name="harness", version_base="1.3"):
                hydra = GlobalHydra.instance().hydra
                assert hydra is not None
                yield hydra
        finally:
            GlobalHydra.instance().hydra = outer
