"""Run folders and sweep folders from anywhere, with anything in their files: what reads them ends in a right answer or in
clear lines, writes nowhere else, and shows no control character."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from tests.fixtures.attacks import JSON, Command, commands, files_of

FILES = ("run.json", "journal.jsonl", "sessions.jsonl", "failures.jsonl", "metrics.json")
WORDS = {"show": ("--turn", "1"), "report": ("--metrics",), "resume": ()}
READERS = {
    "run.json": ("show", "report", "resume"),
    "journal.jsonl": ("show", "resume"),
    "sessions.jsonl": ("report",),
    "failures.jsonl": ("report",),
    "metrics.json": ("report",),
}
SESSION = "two-cups-000"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return commands(capsys)


def _quietly(*words: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(words)
    assert code == 0, said.getvalue()


@pytest.fixture(scope="module")
def played(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played") / "run"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups]", "max_exchanges=2")
    _quietly("run", *given, "sessions_per_persona=2")
    return folder


@pytest.fixture(scope="module")
def swept(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept") / "sweep"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups]", "max_exchanges=1")
    _quietly("run", "-m", *given, "therapist=act,bare")
    return folder


def _attacked(command: Command, folder: Path, file: str) -> None:
    """Give the folder to every command that reads this file of it."""
    outside = files_of(folder.parent) - files_of(folder)
    for name in READERS[file]:
        words = WORDS[name]
        command(name, str(folder), *((SESSION,) if name == "show" else ()), *words)
    assert files_of(folder.parent) - files_of(folder) == outside, "a file was written outside the run folder"


KINDS = ("no text", "NUL bytes", "a list", "half", "nested without end")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_folder_with_any_bytes_in_a_file(
    command: Command, played: Path, tmp_path: Path, file: str, kind: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(played, folder)
    (folder / file).write_bytes(JSON[kind] + (b"\n" if file.endswith("l") else b""))
    _attacked(command, folder, file)


def _deep(value: Any) -> Any:
    for _ in range(100):
        value = [value]
    return value


ODD: dict[str, Any] = {
    "null": None,
    "text": "x",
    "steering text": "\x1b]0;owned\x07\x1b[2J\u202e",
    "a path out": "../../../escaped",
    "a NUL": "a\0b",
    "a great number": 2**63,
    "a huge float": 1e308,
    "a negative number": -1,
    "a list": [[], {}],
    "an object": {"x": {"y": 1}},
    "true": True,
    "nested": _deep(1),
}


def _changed(content: str, key: str, value: Any) -> str:
    """The first line, or the file, with another value at a dotted key."""
    first, newline, rest = (content, "", "") if content.startswith("{\n") else content.partition("\n")
    tree = json.loads(first)
    node = tree
    *parents, last = key.split(".")
    for parent in parents:
        node = node[int(parent) if isinstance(node, list) else parent]
    node[int(last) if isinstance(node, list) else last] = value
    return json.dumps(tree) + newline + rest


@pytest.mark.parametrize(
    ("file", "key"),
    [
        *(
            ("run.json", key)
            for key in ("name", "status", "started_at", "config", "config.personas", "config.therapist")
        ),
        *(
            ("run.json", key)
            for key in ("config.therapist.prompt", "config.therapist.model.path", "config.seed", "totals")
        ),
        *(
            ("run.json", key)
            for key in ("persona_hashes", "engines", "provenance", "timings", "config.patient.engine.kind")
        ),
        *(("sessions.jsonl", key) for key in ("session_id", "persona_id", "seed", "turns", "turns.0", "turns.0.text")),
        *(
            ("sessions.jsonl", key)
            for key in ("turns.1.prompt_tokens", "turns.1.speaker", "events", "metrics", "usage")
        ),
        *(("journal.jsonl", key) for key in ("event", "session_id", "patient", "therapist", "persona_id", "time")),
        *(("metrics.json", key) for key in ("metrics", "usage", "guard", "trajectories", "endings", "diversity")),
    ],
)
def test_a_run_folder_with_any_value_at_a_key(
    command: Command, played: Path, tmp_path: Path, file: str, key: str
) -> None:
    for number, value in enumerate(ODD.values()):
        if number % 6 != len(key) % 6:
            continue  # two of them, two others at other keys
        folder = tmp_path / str(number) / "run"
        shutil.copytree(played, folder)
        path = folder / file
        path.write_text(_changed(path.read_text(encoding="utf-8"), key, value), encoding="utf-8")
        command("report", str(folder))
        if file == "journal.jsonl" or key.startswith("config"):
            command("show", str(folder), SESSION, "--turn", "1")
        assert not list(tmp_path.rglob("*escaped*"))
        shutil.rmtree(folder.parent)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_folder_with_any_bytes_in_its_record(command: Command, swept: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "sweep"
    shutil.copytree(swept, folder)
    (folder / "sweep.json").write_bytes(JSON[kind])
    command("compare", str(folder))
    command("resume", str(folder))


@pytest.mark.parametrize("kind", ["null", "steering text", "a path out", "a great number"])
@pytest.mark.parametrize("key", ["points", "points.0", "points.0.folder", "points.0.overrides"])
def test_a_sweep_folder_with_any_value_at_a_key(
    command: Command, swept: Path, tmp_path: Path, key: str, kind: str
) -> None:
    folder = tmp_path / "sweep"
    shutil.copytree(swept, folder)
    path = folder / "sweep.json"
    path.write_text(_changed("{\n" + path.read_text()[1:].lstrip(), key, ODD[kind]))
    command("compare", str(folder))
    command("show", str(folder), SESSION, "--turn", "0")


def _no_right(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("file", ["run.json", "journal.jsonl"])
@pytest.mark.parametrize("spoil", [_no_right, lambda path: (path.unlink(), path.mkdir())])
def test_a_run_folder_whose_files_are_no_files(
    command: Command, played: Path, tmp_path: Path, file: str, spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(played, folder)
    spoil(folder / file)
    _attacked(command, folder, file)
