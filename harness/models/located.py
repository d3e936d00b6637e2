"""The model of a role as found on this machine, at the commit that it has on the hub.

Invariant: what counts tokens, what is hashed and what an engine loads are files of one commit.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from harness.config.schema import RoleConfig
from harness.models import fetch as models
from harness.types import Speaker

COMMIT = re.compile(r"[0-9a-f]{40}")


def located(
    speaker: Speaker, role: RoleConfig, contents: Mapping[str, str] | None = None, *, tokenizer_only: bool = False
) -> RoleConfig:
    """The role with its model as found on this machine; the small model is fetched where it is missing.

    A hub id comes with its commit: that of `contents` where they name one, so that a run goes on with the files that it
    began with, whatever the hub has by now.
    """
    no_weights = tokenizer_only or role.engine.kind in ("dry", "openai")
    path = str(models.resolve(role.model.path, key=f"{speaker}.model.path", tokenizer_only=no_weights))
    revision = role.model.revision
    if not Path(path).is_dir():
        pinned = (contents or {}).get(f"{speaker}.model", "").removeprefix("commit:")
        revision = (pinned if COMMIT.fullmatch(pinned) else commit_of(path, revision)) or revision
    found = {"path": path, "revision": revision}
    return role.model_copy(update={"model": role.model.model_copy(update=found)})


@lru_cache(maxsize=64)
def commit_of(repo: str, revision: str | None) -> str | None:
    """The commit that a revision of a hub id stands for: as the hub says, or, where it can't be reached, as it was
    fetched last. None where neither knows."""
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=["config.json"])
    except (OSError, ValueError):  # all that huggingface_hub raises is one of the two
        return None
    name = Path(folder).name
    return name if COMMIT.fullmatch(name) else None
