"""A judge behind an OpenAI-compatible server: its messages, its schema, and what its failures cost."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.config.judging import load
from harness.judges.folder import Unheard
from harness.judges.records import read_certificate, read_scores
from harness.judges.status import Status
from harness.runs.judging import judge_folders, prepared_judge
from tests.fixtures.judging import long_session, write_run

Reply = Callable[[str], tuple[dict[str, Any], str]]
"""From the JSON of a right answer to a message and why it ended."""


def _plain(answer: str) -> tuple[dict[str, Any], str]:
    return {"role": "assistant", "content": answer}, "stop"


class Server:
    """Answers each question with its first answer; refuses what mentions `refuse`, and with `no_schema`, in these words, any
    request for structured output."""

    def __init__(self, refuse: str = "\0", *, reply: Reply = _plain, no_schema: str | None = None) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.refuse = refuse
        self.reply = reply
        self.no_schema = no_schema
        self.port = 0

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        asked = body["messages"][-1]["content"]
        if self.refuse in asked:
            return web.json_response(
                {"error": {"message": "content policy", "type": "invalid_request_error"}}, status=400
            )
        if self.no_schema is not None and "response_format" in body:
            return web.json_response({"error": {"message": self.no_schema, "param": None, "code": None}}, status=400)
        first = next(line for line in asked.splitlines() if ": " in line).partition(": ")[0]
        message, ended = self.reply(json.dumps({"evidence": [], "reason": "first", "answer": first}))
        choice = {"index": 0, "message": message, "finish_reason": ended}
        words = sum(len(message["content"].split()) for message in body["messages"])
        usage = {"prompt_tokens": words, "completion_tokens": 20, "total_tokens": words + 20}
        return web.json_response({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "judge-model", "max_model_len": 8192}]})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield f"http://127.0.0.1:{self.port}/v1"
        finally:
            await runner.cleanup()


def _judge(run: Path, url: str, small_model: Path) -> None:
    settings = ["judge.engine=openai", f"judge.engine.base_url={url}", "judge.engine.model=judge-model", "controls=0"]
    config = load(
        [*settings, f"judge.model.path={small_model}", "rubric=harm-boundaries,alliance", "judge.name=remote"]
    )
    judge_folders([run], prepared_judge(config), Unheard())


async def test_a_judge_behind_a_server(tmp_path: Path, small_model: Path) -> None:
    turns = long_session(8)
    run = write_run(tmp_path / "run", [("s-0", "p", turns[:8]), ("s-1", "p", turns[8:])])
    server = Server()
    async with server.running() as url:
        await asyncio.to_thread(_judge, run, url, small_model)
    assert len(server.bodies) == len(list(read_scores(run))) + sum(
        score.status is Status.UNSUPPORTED for score in read_scores(run)
    )
    body = server.bodies[0]
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["temperature"] == 0.3
    assert "top_p" not in body
    assert body["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"][0] == "no"
    assert body["model"] == "judge-model"
    [certificate] = read_certificate(run).judges.values()
    assert (certificate.verdict, certificate.engine) == ("not certified", "openai")


async def test_a_request_that_a_server_refuses_costs_its_item_alone(tmp_path: Path, small_model: Path) -> None:
    run = write_run(tmp_path / "run", [("s-0", "p", long_session(4))])
    server = Server(refuse="flatter")
    async with server.running() as url:
        await asyncio.to_thread(_judge, run, url, small_model)
    scores = {score.item: score for score in read_scores(run)}
    assert scores["flattery"].status is Status.ENGINE_ERROR
    assert scores["flattery"].value is None
    assert scores["false-memory"].status is Status.OK


def _said(content: str | None, ended: str = "stop", **more: str) -> Reply:
    return lambda answer: (
        {"role": "assistant", "content": content and content.replace("ANSWER", answer), **more},
        ended,
    )


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (_said("```json\nANSWER\n```"), Status.OK),
        (_said("<think>The transcript says little.</think>\nANSWER"), Status.OK),
        (_said("ANSWER", reasoning_content="The transcript says little."), Status.OK),
        (_said("<think>The transcript says", "length"), Status.UNPARSED),
        (_said("ANSWER", "length"), Status.UNPARSED),
        (_said("The answer is: ANSWER"), Status.UNPARSED),
        (_said(None, refusal="I'm sorry, but I can't discuss that."), Status.REFUSED),
        (_said("Es tut mir leid, dabei kann ich nicht helfen."), Status.REFUSED),
        (_said("", "content_filter"), Status.ENGINE_ERROR),
    ],
)
async def test_what_servers_answer_ends_in_its_status(
    reply: Reply, status: Status, tmp_path: Path, small_model: Path
) -> None:
    run = write_run(tmp_path / "run", [("s-0", "p", long_session(3))])
    server = Server(reply=reply)
    async with server.running() as url:
        await asyncio.to_thread(_judge, run, url, small_model)
    scores = [score for score in read_scores(run) if score.rubric == "harm-boundaries"]
    assert len(scores) == 6
    assert {score.status for score in scores} == {status}
    assert all((score.value is None) is (status is not Status.OK) for score in scores)


@pytest.mark.parametrize(
    "said",
    [
        "response_format is not supported by this model",
        "This model does not support structured outputs.",
        "Guided decoding is not available on this backend",
        "unsupported: json_schema",
    ],
)
async def test_a_server_without_structured_output_is_asked_without(
    said: str, tmp_path: Path, small_model: Path
) -> None:
    run = write_run(tmp_path / "run", [("s-0", "p", long_session(3))])
    server = Server(no_schema=said)
    async with server.running() as url:
        await asyncio.to_thread(_judge, run, url, small_model)
    scores = [score for score in read_scores(run) if score.rubric == "harm-boundaries"]
    assert {score.status for score in scores} == {Status.OK}
    assert "response_format" in server.bodies[0]
    assert "response_format" not in server.bodies[-1]
