"""Arguments of commands: what can't be meant is refused in one line, before anything is read."""

import json
from pathlib import Path

import pytest

from harness.__main__ import main


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "run", "--seed", "-1"),
        ("judge-reliability", "run", "--seed", "1.5"),
        ("personas", "sample", "2", "--seed", "-1"),
        ("audit", "patient", "--seed", str(2**63)),
    ],
)
def test_a_seed_that_is_none_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"--seed: expected a number from 0 to {2**63 - 1}, found '{words[-1]}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("judge", ""), ("export", "run", "--format", "sft", "--out", ""), ("compare", "a", "")]
)
def test_an_empty_argument_is_not_the_working_directory(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert f"error: {words[0]}: an empty argument" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("run", "engine=dry"),
        ("run", "--cfg", "job"),
        ("run", "-m", "engine=dry", "seed=0,1"),
        ("judge", "outputs/latest"),
        ("doctor",),
    ],
)
def test_a_working_directory_that_was_removed_is_named_as_the_reason(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(words) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "error: the working directory no longer exists; change to a folder that does"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--dry-run", "--all"), "command line: --all has no effect with --dry-run; leave one of them out"),
        (("-m", "--all"), "command line: --all has no effect with --multirun; leave one of them out"),
        (("--dry-run", "seed=x"), "command line: seed: expected a whole number, found 'x'"),
    ],
)
def test_who_asks_for_json_is_refused_in_json(
    words: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("run", "--json", *words)) == 2
    told = capsys.readouterr()
    assert json.loads(told.out) == {"exit_code": 2, "errors": [line]}
    assert told.err == f"error: {line}\n"
