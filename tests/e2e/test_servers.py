"""Whole runs with servers as they are: what they cost is counted as they count it, what they do in silence is said, and what
concerns every session stops the run with the server's own reason."""

import asyncio
import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from aiohttp import web

from tests.fixtures.loopback_server import LoopbackServer
from tests.fixtures.processes import comparable, finish, harness, start, wait_for_turns
from tests.store_samples import journalled

HELPER = "How can I help you today?"
KEY_NAME, KEY = "HARNESS_TEST_KEY", "sk-test/5b1f+0e77-never-to-be-seen"
ONE = ("personas=[two-cups]",)


@dataclass
class Counting(LoopbackServer):
    """Keeps its own books of what it answered, and talks so that everything is on: every third answer breaks its role."""

    books: Counter[str] = field(default_factory=Counter)

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        number = self.books["requests"]
        said = (
            HELPER if number % 3 == 0 else f"It was day {number}. " + " ".join(f"word{number}-{i}" for i in range(40))
        )
        if "response_format" in body:
            said = '{"problem": "mood"}' if number % 2 else "no JSON"
        answer = super()._answer(body, said)
        answer["usage"] = {
            "prompt_tokens": sum(len(message["content"]) // 4 for message in body["messages"]),
            "completion_tokens": len(said) // 4,
            "prompt_tokens_details": {"cached_tokens": number},
        }
        self.books["requests"] += 1
        self.books["prompt_tokens"] += answer["usage"]["prompt_tokens"]
        self.books["completion_tokens"] += answer["usage"]["completion_tokens"]
        self.books["cached_tokens"] += number
        return answer


def totals(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((folder / "run.json").read_bytes())["totals"]
    return found


def summed(usage: dict[str, dict[str, int]]) -> Counter[str]:
    return sum((Counter(cost) for cost in usage.values()), Counter())


@pytest.mark.parametrize("fault_every", [0, 6])
async def test_usage_by_purpose_is_what_the_server_says_it_answered(
    small_model: Path, tmp_path: Path, fault_every: int
) -> None:
    """With guard retries, self-checks, appraisals, notes and handovers; also where answers are lost on their way."""
    folder = tmp_path / "run"
    server = Counting(max_model_len=2048, fault_every=fault_every)
    server.faults = (*server.faults[:2], *server.faults[5:6])  # those of which the server knows whether they arrived
    async with server.running():
        done = await asyncio.to_thread(
            harness,
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
            *(f"run.dir={folder}", *ONE, "max_exchanges=12", "patient.state=model", "patient.self_check=model"),
            *("context=summarize", "context.note_tokens=64", "course.sessions=2", "engine.request_timeout_s=5"),
            *("patient.max_new_tokens=128", "therapist.max_new_tokens=128"),
        )
    assert done.returncode == 0, done.stderr
    usage = totals(folder)["usage"]
    assert set(usage) == {"turn", "rejected_draft", "note", "appraisal", "check", "handover"}
    assert summed(usage) == server.books
    turns = [turn for session in comparable(folder).values() for turn in session["turns"]]
    assert usage["turn"]["requests"] == len(turns) == totals(folder)["turns"]
    assert usage["turn"]["prompt_tokens"] == totals(folder)["prompt_tokens"]
    again = await asyncio.to_thread(harness, "report", str(folder))
    assert again.returncode == 0, again.stderr


async def test_usage_goes_on_counting_where_a_run_was_interrupted(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    async with Counting(max_model_len=4096, latency_s=0.02).running() as server:
        process = start(
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
            *(f"run.dir={folder}", *ONE, "max_exchanges=10", "patient.state=model", "concurrency=1"),
        )
        await asyncio.to_thread(wait_for_turns, process, folder, 8)
        process.kill()
        await asyncio.to_thread(finish, process)
        lost = server.books["requests"]
        done = await asyncio.to_thread(harness, "resume", str(folder))
        assert done.returncode == 0, done.stderr
    assert lost < summed(totals(folder)["usage"])["requests"]
    assert 0 <= server.books["requests"] - summed(totals(folder)["usage"])["requests"] <= 4, (
        "what was in flight at the kill"
    )


async def test_a_server_that_silently_cuts_is_told_of_and_kept_within_what_it_reads(
    small_model: Path, tmp_path: Path
) -> None:
    """As Ollama does: status 200, and `prompt_tokens` that stop rising."""
    reads = 1500

    class Cutting(LoopbackServer):
        def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
            answer = super()._answer(
                body, f"{len(self.bodies)}: " + " ".join(f"w{len(self.bodies)}-{i}" for i in range(25))
            )
            length = sum(10 + len(message["content"]) // 3 for message in body["messages"])
            answer["usage"] = {"prompt_tokens": min(length, reads), "completion_tokens": 60}
            return answer

    folder = tmp_path / "run"
    async with Cutting(max_model_len=32_000).running() as server:
        done = await asyncio.to_thread(
            harness,
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
            *(f"run.dir={folder}", *ONE, "max_exchanges=20", "guard=off", "patient.state=off"),
        )
    assert done.returncode == 0, done.stderr
    (session,) = comparable(folder).values()
    cuts = [event for event in session["events"] if event["kind"] == "silent_cut"]
    assert 1 <= len(cuts) <= 3
    assert done.stderr.count("warning: ") == 1
    assert "did not report it" in done.stderr
    assert str(cuts[0]["read_tokens"]) in done.stderr
    last = session["turns"][-8:]
    assert all(turn["prompt_tokens"] + turn["max_new_tokens"] <= turn["max_model_len"] <= reads for turn in last)
    assert session["metrics"]["usage"]["cached_share"] is None
    assert all(turn["cached_tokens"] is None for turn in session["turns"])


def echoes(key: str) -> str:
    """A key as careless servers and proxies spell it."""
    coded = base64.b64encode(f"Bearer {key}".encode()).decode()
    return f"{key} {key.upper()} {quote(key, safe='')} {json.dumps(json.dumps(key))} {coded}"


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, {"message": "Incorrect API key provided"}, "refused the key (status 401)"),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, "is used up (status 429)"),
        (402, {"message": "Insufficient Balance"}, "is used up (status 402)"),
    ],
)
async def test_what_concerns_every_session_stops_the_run_with_the_reason_and_it_resumes(
    small_model: Path, tmp_path: Path, status: int, error: dict[str, str], words: str
) -> None:
    class Refusing(LoopbackServer):
        refusing = False

        async def _complete(self, request: web.Request) -> web.StreamResponse:
            if self.refusing:
                told = {**error, "message": f"{error['message']}: {echoes(KEY)}"}
                return web.json_response({"error": told}, status=status)
            return await super()._complete(request)

    folder = tmp_path / "run"
    async with Refusing(max_model_len=4096, latency_s=0.05).running() as server:
        process = start(
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"engine.api_key_env={KEY_NAME}"),
            *(f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups,left-in-march]", "max_exchanges=8"),
            *("guard=off", "patient.state=off"),
            env={KEY_NAME: KEY},
        )
        await asyncio.to_thread(wait_for_turns, process, folder, 4)
        server.refusing = True
        stopped = await asyncio.to_thread(finish, process)
        server.refusing = False
        assert stopped.returncode == 3, stopped.stderr
        (line,) = [line for line in stopped.stderr.splitlines() if line.startswith("error: ")]
        assert words in line
        assert error["message"] in line
        assert "resume" in stopped.stderr
        done = await asyncio.to_thread(harness, "resume", str(folder), env={KEY_NAME: KEY})
        assert done.returncode == 0, done.stderr
    assert [len(session["turns"]) for session in comparable(folder).values()] == [16, 16]
    written = [file.read_text("utf-8", "replace") for file in folder.rglob("*") if file.is_file()]
    for text in (*written, stopped.stdout + stopped.stderr):
        assert not any(spelling in text for spelling in (KEY, KEY.upper(), quote(KEY, safe=""), json.dumps(KEY)[1:-1]))
        assert base64.b64encode(f"Bearer {KEY}".encode()).decode()[10:-6] not in text


async def test_a_parameter_that_is_refused_is_learnt_said_and_recorded(small_model: Path, tmp_path: Path) -> None:
    class Strict(LoopbackServer):
        async def _complete(self, request: web.Request) -> web.StreamResponse:
            body = await request.json()
            if "seed" in body:
                return web.json_response(
                    {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, status=422
                )
            return await super()._complete(request)

    folder = tmp_path / "run"
    async with Strict(max_model_len=4096).running() as server:
        done = await asyncio.to_thread(
            harness,
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
            *(f"run.dir={folder}", *ONE, "max_exchanges=3", "guard=off", "engine.extra_body.reasoning_effort=low"),
            "therapist.sampling.temperature=0.5",
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("it does not take `seed`; sent no more (body.seed: Extra inputs are not permitted)") == 1
    learned = [event for event in journalled(folder) if event["event"] == "engine_learned"]
    assert [event["what"] for event in learned] == ["it does not take `seed`; sent no more"]
    assert [body.get("temperature") for body in server.bodies] == [None, 0.5] * 3
    assert all(
        set(body) - {"temperature"} == {"model", "messages", "max_tokens", "reasoning_effort"} for body in server.bodies
    )


def test_a_refused_address_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even a folder: it was recorded before it was refused."""
    folder = tmp_path / "run"
    for url in ("http://me:hunter2-secret@127.0.0.1:1/v1", "http://127.0.0.1:1/v1?api_key=hunter2-secret"):
        done = harness("run", "engine=openai", f'engine.base_url="{url}"', f"run.dir={folder}")
        assert done.returncode == 2, done.stderr
        assert "engine.base_url: " in done.stderr
        assert "hunter2" not in done.stdout + done.stderr
    assert not folder.exists()


async def test_a_web_page_for_a_list_of_models_is_one_clear_line(tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    done = await asyncio.to_thread(
        harness, "run", "engine=openai", f"engine.base_url={url}", f"run.dir={tmp_path / 'run'}"
    )
    await runner.cleanup()
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert f"engine.base_url: {url}/models answers with a web page; expected an address that ends in /v1" in done.stderr
