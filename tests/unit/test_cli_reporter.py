"""What a person reads while a run goes on: time left, the tightest personas, 80 columns, what took how long."""

from pathlib import Path

import pytest

from harness.cli import startup
from harness.cli.reporter import TerminalReporter, TimeLeft, clock
from harness.runs.fit_check import Fit


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "cache"


def test_the_time_left_counts_the_turns_that_are_left_of_sessions_in_flight() -> None:
    ahead = TimeLeft(turns_per_session=40)
    assert ahead.seconds(10, 0.0) is None
    ahead.turn("a", 9)  # resumed: nine turns were there before
    ahead.turn("b", 0)
    assert ahead.seconds(10, 2.0) == (400 - 11) / 2
    ahead.over("a")
    assert ahead.seconds(9, 2.0) == (360 - 1) / 2


def test_a_run_of_unknown_length_has_no_time_left() -> None:
    assert TimeLeft().seconds(3, 1.0) is None


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (44.2, "0:45"), (725, "12:05"), (3723, "1:02:03")])
def test_a_clock_is_read_at_a_glance(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(("all_fits", "rows"), [(False, 5), (True, 38)])
def test_a_fit_check_shows_the_tightest_on_lines_of_80_columns(
    capsys: pytest.CaptureFixture[str], all_fits: bool, rows: int
) -> None:
    fits = [Fit(f"persona-{n:02}-" + "x" * 60, 12, 123456, n, 1234, 48) for n in range(38)]
    TerminalReporter(all_fits=all_fits).fit(fits)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 80
    shown = [line for line in lines if line.startswith("persona-")]
    assert [line[:10] for line in shown] == [f"persona-{n:02}" for n in range(rows)]
    assert all("123456" in line and "1234" in line for line in shown)
    assert ("33 more personas have more room; --all shows them" in lines) is not all_fits


def test_what_took_long_is_told_the_next_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal: elsewhere a mistake is all there is to read."""
    startup.announce()
    assert not capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    startup.announce()
    assert "last time" not in capsys.readouterr().err
    startup.remember({startup.SETTINGS: 4.4, "vllm big": 27.0, "dry small": 0.2})
    startup.announce()
    assert "checking settings (took 4 s last time)" in capsys.readouterr().err
    assert startup.last("vllm big") == 27.0
    assert startup.last("dry small") is None


@pytest.mark.parametrize("content", ["", "[]", "null", "{", '{"settings": "x"}', "[" * 100_000, '{"settings": 1e999}'])
def test_a_broken_file_of_durations_is_done_without(
    cache: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    cache.mkdir()
    (cache / "startup.json").write_text(content)
    startup.announce()
    assert "last time" not in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    startup.remember({startup.SETTINGS: 4.0})
    assert startup.last(startup.SETTINGS) is None


def test_the_durations_that_are_kept_are_bounded() -> None:
    startup.remember({f"model {n}": 5.0 for n in range(startup.MOST_KEPT + 5)})
    startup.remember({"one more": 5.0})
    assert startup.last("one more") == 5.0
    assert startup.last("model 0") is None
