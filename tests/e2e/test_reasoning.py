"""Runs against a server whose model thinks: what it thought is recorded, and thinking alone is never a turn."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fixtures.loopback_server import LoopbackServer
from tests.fixtures.processes import harness

THOUGHT = "She sounds tired, so no advice yet."


@dataclass
class Thinks(LoopbackServer):
    """Leaves the tags in the text, and thinks alone whenever `alone` says so of the number of its answer."""

    silent: tuple[int, ...] = ()
    always: bool = False

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        answer = super()._answer(body, text)
        choice = answer["choices"][0]
        if self.always or self._count in self.silent:
            choice["message"]["content"], choice["finish_reason"] = f"<think>{THOUGHT}", "length"
        else:
            choice["message"]["content"] = f"<think>{THOUGHT}</think>\n\nIt is {text.split()[1]} o'clock, I said."
        return answer


async def play(server: LoopbackServer, model: Path, folder: Path) -> Any:
    async with server.running():
        return await asyncio.to_thread(
            harness, "run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={model}",
            "model.template_args.enable_thinking=true", f"run.dir={folder}", "max_exchanges=2", "guard=off", "concurrency=1",
        )  # fmt: skip


async def test_reasoning_is_recorded_beside_the_turn_and_asked_past_where_it_stands_alone(
    small_model: Path, tmp_path: Path
) -> None:
    server = Thinks(max_model_len=8192, silent=(2,))
    done = await play(server, small_model, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "run" / "sessions.jsonl").read_text().splitlines()
    session = json.loads(line)
    assert len(session["turns"]) == 4
    assert all(turn["text"].startswith("It is ") and THOUGHT not in turn["text"] for turn in session["turns"])
    assert [turn["reasoning"] for turn in session["turns"]] == [THOUGHT] * 4
    (retry,) = (event for event in session["events"] if event["kind"] == "retry")
    assert (retry["by"], retry["reason"], retry["reasoning"]) == (
        "session",
        "the answer contained only reasoning",
        THOUGHT,
    )
    assert len(server.bodies) == 5
    assert all(body["chat_template_kwargs"] == {"enable_thinking": True} for body in server.bodies)
    notes = [body["messages"][-1]["content"] for body in server.bodies]
    assert "Do not think it over" in notes[2]
    assert THOUGHT not in json.dumps([body["messages"] for body in server.bodies])
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    turns = [event for event in journal if event["event"] == "turn"]
    assert turns[1]["turn"]["reasoning"] == THOUGHT
    assert "Do not think it over" in turns[1]["view"]["direction"]


async def test_thinking_alone_fails_the_session_with_the_remedy(small_model: Path, tmp_path: Path) -> None:
    server = Thinks(max_model_len=8192, always=True)
    done = await play(server, small_model, tmp_path / "run")
    assert done.returncode == 1
    (line,) = (tmp_path / "run" / "failures.jsonl").read_text().splitlines()
    failure = json.loads(line)
    assert failure["turns"] == []
    assert "3 answers of the patient for turn 0 contained only reasoning" in failure["message"]
    assert "max_new_tokens" in failure["message"]
    assert "model.template_args" in failure["message"]
    assert '"event":"turn"' not in (tmp_path / "run" / "journal.jsonl").read_text()
    assert len(server.bodies) == 3
