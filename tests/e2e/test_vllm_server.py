"""Whole sessions against a real vLLM server on loopback whose window is smaller than the config says."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.openai.engine import OpenAIEngine
from harness.types import Message
from tests.fixtures.asking import SCHEMA, Asker, check_stop_ids

ROOT = Path(__file__).parents[2]
SERVED, CONFIGURED = 768, 2048
"""Windows in tokens."""
START_S = 300

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of vLLM's OpenAI-compatible server, up to and with /v1."""
    pytest.importorskip("vllm", reason="needs vLLM")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--model", str(small_model), "--served-model-name", "small", "--max-model-len", str(SERVED)]
    command += ["--enforce-eager", "--enable-prefix-caching", "--dtype", "bfloat16"]
    cpu = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    environment = {**cpu, **os.environ, "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"no server after {START_S} s: {log.read_text()[-2000:]}")


@pytest.mark.parametrize(("policy", "model"), [("truncate", None), ("summarize", None), ("truncate", "remote")])
def test_sessions_finish_and_the_dialogue_shows_nothing_of_it(
    policy: str, model: str | None, server: str, small_model: Path, tmp_path: Path
) -> None:
    """`remote` is the way without the server's tokenizer: messages, and counts by the server's `/tokenize`."""
    folder = tmp_path / "run"
    settings = ["engine=openai", f"engine.base_url={server}", "engine.model=small"]
    settings += [f"model={model}"] if model else [f"model.path={small_model}"]
    settings += [f"engine.max_model_len={CONFIGURED}", f"context={policy}"]
    settings += ["context.note_tokens=64"] if policy == "summarize" else []
    settings += ["patient.max_new_tokens=48", "therapist.max_new_tokens=48", "min_exchanges=6", "max_exchanges=6"]
    settings += ["personas=[two-cups,nursery-door]", f"run.dir={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", *settings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sessions = [json.loads(line) for line in (folder / "sessions.jsonl").read_text().splitlines()]
    assert [len(session["turns"]) for session in sessions] == [12, 12]
    turns = [turn for session in sessions for turn in session["turns"]]
    assert all(turn["prompt_tokens"] + turn["max_new_tokens"] <= SERVED for turn in turns)
    assert any(turn["evicted_turns"] for turn in turns)
    assert not any("context length" in turn["text"] or "Error" in turn["text"] for turn in turns)
    assert not (folder / "failures.jsonl").read_text()


async def test_the_templates_end_of_turn_ends_the_turn(server: str, small_model: Path) -> None:
    engine = OpenAIEngine(EngineConfig(kind="openai", base_url=server), ModelConfig(path=str(small_model)))
    await engine.start()
    await check_stop_ids(engine.generate, Asker(small_model, SERVED))
    await engine.close()


@pytest.mark.parametrize("stand_in", [False, True])
async def test_a_json_schema_is_kept(stand_in: bool, server: str, small_model: Path) -> None:
    """Through `/completions` with token ids, and through `/chat/completions` with messages."""
    config = EngineConfig(kind="openai", base_url=server)
    engine = OpenAIEngine(config, ModelConfig(path=str(small_model), stand_in=stand_in))
    info = await engine.start()
    asked = Asker(small_model, SERVED)(max_new_tokens=60, json_schema=SCHEMA)
    messages = (Message("user", "Tell me about your day at work."),)
    answer = await engine.generate(replace(asked, prompt=replace(asked.prompt, messages=messages)))
    await engine.close()
    assert info.counts_as_we_do is not stand_in
    found = json.loads(answer.text)
    assert found.keys() == {"mood", "calm"}
    assert found["mood"] in range(10)
