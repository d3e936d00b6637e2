"""Arguments of commands: what can't be meant is refused in one line, before anything is read."""

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
