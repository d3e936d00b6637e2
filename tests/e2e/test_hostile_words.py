"""Texts in every field of a run steer no terminal and are no formula, whatever reads them."""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

import orjson
import pytest

from harness.__main__ import main
from tests.fixtures.hostile import spoil
from tests.fixtures.report_rich import rich_run

ATTACK = "=cmd|' /C calc'!A0\x1b]0;taken\x07\x1b[31m\u202eevil\x9b2J"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
QUESTION = "select persona_id, text, session_id from turns"
COMMANDS = (
    ("compare", "one", "two"),
    ("compare", "one", "two", "--json"),
    ("compare", "one", "two", "--all", "--csv"),
    ("report", "one"),
    ("judge-reliability", "one"),
    ("judge-reliability", "one", "--json"),
    ("fidelity", "one"),
    ("fidelity", "one", "--json"),
    ("sql", "one", QUESTION),
    ("sql", "one", QUESTION, "--json"),
    ("sql", "one", QUESTION, "--csv"),
    ("sql", "one", f'select 1 as "{ATTACK}"'.replace("\x07", "")),
    ("agree", "one"),
    ("export", "one", "--format", "messages", "--out", "messages"),
    ("repair", "one"),
    ("show", "one", "a-000", "--turn", "1"),
    ("personas", "show", ATTACK),
    ("rubrics", "show", ATTACK),
    ("run", "engine=dry", f"plugins=[{ATTACK}]"),
    ("import", ATTACK, "--format", "text"),
    ("fetch", ATTACK),
    ("judge-calibrate", "one", ATTACK),
    (ATTACK,),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, `one` and `two`, with judges' scores and people's labels."""
    path = tmp_path_factory.mktemp("hostile")
    for name in ("one", "two"):
        run = rich_run(path / name, personas=("a", "b", "c"), repeats=2)
        spoil(run, ATTACK)
        sessions = [orjson.loads(line) for line in (run / "sessions.jsonl").read_bytes().splitlines()]
        for number, session in enumerate(sessions):
            session["persona_id"] = f"{ATTACK}{number // 2}"
        _write(run / "sessions.jsonl", sessions)
        _write(
            run / "labels.jsonl",
            [{"session_id": session["session_id"], "turn": 1, "labels": {ATTACK: ATTACK}} for session in sessions],
        )
        record = orjson.loads((run / "run.json").read_bytes())
        record["config"]["context"] = {"policy": ATTACK + name}
        record["config"]["therapist"]["model"] = {"adapter": ATTACK, "path": ATTACK}
        (run / "run.json").write_bytes(orjson.dumps(record))
    return path


def _write(path: Path, lines: Sequence[object]) -> None:
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


@pytest.fixture
def within(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:40].encode("ascii", "ignore").decode())
def test_no_command_says_what_steers_a_terminal(
    within: None, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    with suppress(SystemExit):  # as argparse ends
        main(words)
    out, err = capsys.readouterr()
    assert STEERS.findall(out + err) == []
    assert out + err
    if "--csv" in words:
        rows = list(csv.reader(StringIO(out)))
        assert len(rows) > 2
        assert [cell for row in rows for cell in row if re.match(r"[=@\t\r]|[+-](?![\d.])", cell)] == []
