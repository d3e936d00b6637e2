"""The real small model, fetched and converted for real: whole after a kill and after two fetches at once, and fit to talk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import EngineError
from harness.models import fetch as models

FETCH = (sys.executable, "-m", "harness", "fetch", "smollm2-135m")


def start(cache: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "HARNESS_CACHE": str(cache)}
    return subprocess.Popen(FETCH, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(path: Path, pattern: str) -> None:
    deadline = time.monotonic() + 120
    while not list(path.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern} in {path}"
        time.sleep(0.05)


def test_a_fetch_that_was_killed_while_it_converted_is_made_good_by_two_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    killed = start(tmp_path)
    wait_for(tmp_path, "models/.partial-*/model/config.json")  # it is writing the converted model
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not models.is_present("smollm2-135m")
    assert list(tmp_path.glob("models/.partial-*"))

    both = [start(tmp_path), start(tmp_path)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("downloading" in text for text in said) == 1
    assert sum("waiting" in text for text in said) == 1
    folder = models.KNOWN["smollm2-135m"].folder
    assert [path for path in (tmp_path / "models").iterdir() if not path.name.endswith(".lock")] == [folder]
    assert models.is_present("smollm2-135m")


def test_the_converted_model_answers(small_model: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(small_model)
    model = AutoModelForCausalLM.from_pretrained(small_model)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    ids = model.generate(**prompt, max_new_tokens=24, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(ids)
    assert ids[-1] == tokenizer.eos_token_id  # it ends its turn by itself
    assert model.config.max_position_embeddings == 8192


def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"broken\.gguf: can't be converted: \w") as caught:
        models._convert(tmp_path / "broken.gguf", tmp_path / "out")
    assert "\n" not in str(caught.value)
