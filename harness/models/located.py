"""Locates the model of a role: its folder on this machine, or its commit on the hub.

Invariant: counting tokens, hashing and loading in an engine all use files of the same commit.
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
    """The role with its model located; the small model is fetched if it is missing.

    A hub id gets its commit: the one in `contents` if there is one, so that a resumed run keeps the files that it began
    with.
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
    """The commit of a hub id's revision, from the hub or, if it can't be reached, from the last download.

    None if it is not known.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=["config.json"])
    except (OSError, ValueError):  # every exception of huggingface_hub is one of the two
        return None
    name = Path(folder).name
    return name if COMMIT.fullmatch(name) else None
