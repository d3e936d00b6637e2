"""A judge behind an OpenAI-compatible server: its messages, its schema, and what its failures cost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from harness.config.judging import load
from harness.judges.folder import Unheard
from harness.judges.records import read_certificate, read_scores
from harness.judges.status import Status
from harness.runs.judging import judge_folders, prepared_judge
from tests.fixtures.judging import long_session, write_run


class Server:
    """Answers each question with its first answer; refuses what mentions `refuse`."""

    def __init__(self, refuse: str = "\0") -> None:
        self.bodies: list[dict[str, Any]] = []
        self.refuse = refuse
        self.port = 0

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        asked = body["messages"][-1]["content"]
        if self.refuse in asked:
            return web.json_response(
                {"error": {"message": "content policy", "type": "invalid_request_error"}}, status=400
            )
        first = body["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"][0]
        text = json.dumps({"evidence": [], "reason": "first", "answer": first})
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
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
