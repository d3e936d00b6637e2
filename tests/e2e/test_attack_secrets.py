"""What is secret, and what steers a terminal: on no disk and no terminal, wherever it came from."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.fixtures.attacks import SECRET, SECRET_NAME, STEERING, Command, commands, holds

STEER = "\x1b]0;owned\x07\x1b[2J\nerror: all is well\u202e\x9b5m"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv(SECRET_NAME, SECRET)
    return commands(capsys)


@pytest.mark.parametrize(
    "setting",
    [
        f"therapist.model.template_args.note=${{oc.env:{SECRET_NAME}}}",
        f"model.template_args.a.b=[1,'x ${{oc.env:{SECRET_NAME}}}']",
    ],
)
def test_a_value_from_the_environment_is_in_force_and_only_its_name_is_kept(
    command: Command, small_model: Path, tmp_path: Path, setting: str
) -> None:
    folder = tmp_path / "run"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "max_exchanges=1", setting)
    shown = command("run", *given, "--cfg", "job", codes=[0])
    assert f"${{oc.env:{SECRET_NAME}}}" in shown.out
    command("run", *given, codes=[0])
    command("report", str(folder), codes=[0])
    command("resume", str(folder), codes=[0])
    assert not holds(tmp_path, SECRET)
    assert SECRET_NAME in (folder / "run.json").read_text()
    assert SECRET_NAME in (folder / "report.html").read_text()


def test_a_sweep_keeps_the_name_of_a_value_from_the_environment_also_in_hydras_own_files(
    command: Command, small_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sweep"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "max_exchanges=1", "seed=1,2")
    setting = f"model.template_args.note=${{oc.env:{SECRET_NAME}}}"
    command("run", "-m", *given, setting, "hydra/launcher=basic", codes=[0])
    assert not holds(tmp_path, SECRET)


@pytest.mark.parametrize(
    "setting",
    [
        f"engine.args.hf_token={SECRET}",
        f"engine.args.headers.Authorization={SECRET}",
        f"engine.args.x.apiKey={SECRET}",
        f"model.template_args.password='{SECRET}'",
        f"engine.base_url=http://user:{SECRET}@127.0.0.1:9/v1",
        f"engine.base_url='http://127.0.0.1:9/v1?api_key={SECRET}'",
        f"engine.api_key_env=sk-{SECRET}",
        f"run.name=sk-{SECRET}",
        f"run.name=${{oc.env:{SECRET_NAME}}}",
        f"therapist.name=${{oc.env:{SECRET_NAME}}}",
        f"hydra.job.env_set.HF_TOKEN={SECRET}",
    ],
)
@pytest.mark.parametrize("sweep", [(), ("-m",)])
def test_a_credential_in_a_config_is_refused_without_being_shown_or_written(
    command: Command, tmp_path: Path, setting: str, sweep: tuple[str, ...]
) -> None:
    folder = tmp_path / "run"
    done = command("run", *sweep, "engine=openai", f"run.dir={folder}", setting, codes=[2])
    assert all(setting.partition("=")[0].rpartition(".")[2] in line for line in done.errors), done.err
    assert not holds(tmp_path, SECRET)
    assert not folder.exists()


def test_a_credential_in_a_config_file_is_refused_in_the_same_way(command: Command, tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    content = {"defaults": ["vllm", "_self_"], "args": {"hf_token": SECRET}}
    (tmp_path / "engine" / "mine.yaml").write_text(yaml.safe_dump(content))
    done = command("run", "--config-dir", str(tmp_path), "engine=mine", "--cfg", "job", codes=[2])
    assert "engine/mine.yaml: engine.args.hf_token: looks like a credential" in done.err


class _Steering(BaseHTTPRequestHandler):
    """Says what steers a terminal wherever a server can say something."""

    models: bytes = json.dumps({"data": [{"id": f"m{STEER}", "max_model_len": 4096}]}).encode()
    answer = (200, json.dumps({"choices": [{"message": {"content": f"Hm.{STEER}"}, "finish_reason": "stop"}]}).encode())

    def do_GET(self) -> None:
        self._say(200, self.models)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._say(*self.answer)

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Steering]]]:
    class Handler(_Steering):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", Handler
    server.shutdown()


def _played(command: Command, small_model: Path, folder: Path, url: str) -> int:
    return command(
        *(
            "run",
            "engine=openai",
            f"engine.base_url={url}",
            f"model.path={small_model}",
            f"run.dir={folder}",
            "guard=off",
        ),
        *("max_exchanges=1", "engine.outage_s=1", "engine.request_timeout_s=2", "patient.state=off"),
    ).code


def test_what_a_server_says_steers_no_terminal_and_no_page(
    command: Command, small_model: Path, tmp_path: Path, server: tuple[str, type[_Steering]]
) -> None:
    url, _ = server
    folder = tmp_path / "run"
    assert _played(command, small_model, folder, url) == 0
    (session,) = [json.loads(line) for line in (folder / "sessions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert "\x1b]0;owned\x07" in session["turns"][0]["text"]  # data files keep what was said
    shown = command("show", str(folder), session["session_id"], "--turn", "1", codes=[0, 1])
    assert r"\x1b]0;owned\x07" in shown.out
    exact = json.loads(command("show", str(folder), session["session_id"], "--turn", "1", "--json").out)
    assert "\x1b]0;owned\x07" in exact["prompt"]
    command("report", str(folder), codes=[0])
    for file in (folder / "report.html", *(folder / "transcripts").glob("*.md")):
        assert not STEERING.search(file.read_text(encoding="utf-8")), file.name


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_forges_no_line(
    command: Command, small_model: Path, tmp_path: Path, server: tuple[str, type[_Steering]], status: int
) -> None:
    url, handler = server
    handler.answer = (status, json.dumps({"error": {"message": f"no{STEER}"}}).encode())
    assert _played(command, small_model, tmp_path / "run", url) in (1, 3)


@pytest.mark.parametrize(
    "models",
    [
        b"<html>\x1b[2Jlog in</html>",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"data": "x"}',
        b'{"data": [{"id": ["x"]}]}',
        b"\xff" * 99,
    ],
)
def test_what_is_no_list_of_models_is_one_clear_line_or_does_not_matter(
    command: Command, small_model: Path, tmp_path: Path, server: tuple[str, type[_Steering]], models: bytes
) -> None:
    url, handler = server
    handler.models = models
    code = _played(command, small_model, tmp_path / "run", url)
    assert code in (0, 2, 3)  # 2: name the model in engine.model


RAW = {
    "nothing": b"",
    "no HTTP": b"\x00\xff" * 500,
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    "a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "a redirect to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "a redirect to itself": b"HTTP/1.1 302 Found\r\nLocation: /v1/models\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", RAW)
def test_a_server_that_speaks_no_http_ends_in_one_clear_line(
    command: Command, small_model: Path, tmp_path: Path, kind: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(RAW[kind])
        await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = asyncio.run_coroutine_threadsafe(asyncio.start_server(answer, "127.0.0.1", 0), loop).result(5)
    try:
        port = served.sockets[0].getsockname()[1]
        assert _played(command, small_model, tmp_path / "run", f"http://127.0.0.1:{port}/v1") in (2, 3)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
