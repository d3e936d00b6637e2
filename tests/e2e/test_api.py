"""`import harness`: runs from Python, in a notebook's event loop, and with functions as speakers."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra

import harness
from harness.config.plugins import EXPORTERS
from harness.config.written import value_written
from harness.exports.job import Job, Written
from harness.metrics.conduct import NAMES
from harness.metrics.session import session_metrics
from harness.store.records import read_sessions

SHORT = {"engine": "dry", "personas": ["two-cups"], "max_exchanges": 2}


def test_a_run_from_python_equals_one_from_the_command_line(tmp_path: Path) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, quiet=True)
    assert (run.path, run.exit_code, run.status) == (tmp_path / "run", 0, "finished")
    turns = list(run.turns())
    assert [turn["index"] for turn in turns] == [0, 1, 2, 3]
    assert {turn["session_id"] for turn in turns} == {"two-cups-000"}
    again = harness.open_run(tmp_path / "run")
    assert list(again.turns()) == turns
    assert len(again.sessions()) == 1
    assert next(iter(again.states()))["turn"] == 0
    assert "<table>" in again._repr_html_()


def test_both_work_inside_a_running_event_loop(tmp_path: Path) -> None:
    async def notebook() -> tuple[int, int]:
        first = harness.run(SHORT, {"run.dir": tmp_path / "a"}, quiet=True)
        second = await harness.arun(SHORT, {"run.dir": tmp_path / "b"}, quiet=True)
        return first.exit_code, len(second.turns())

    assert asyncio.run(notebook()) == (0, 4)


async def reply(text: str) -> str:
    await asyncio.sleep(0)
    return f"You said {len(text)} letters."


def by_messages(messages: list[dict[str, str]]) -> str:
    return f"{len(messages)} messages, the first from {messages[0]['role']}."


def test_a_function_speaks_for_the_therapist(tmp_path: Path) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, therapist=reply, quiet=True)
    said = [turn["text"] for turn in run.turns() if turn["speaker"] == "therapist"]
    assert len(said) == 2
    assert all(text.startswith("You said ") for text in said)
    assert run.record.engines["therapist"].kind == "callable"


def test_a_function_that_asks_for_messages_gets_the_view(tmp_path: Path) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, therapist=by_messages, quiet=True)
    said = [turn["text"] for turn in run.turns() if turn["speaker"] == "therapist"]
    assert said[0].startswith("2 messages, the first from system") or said[0].startswith("1 messages")


@pytest.mark.parametrize("raised", [ValueError("not today"), SystemExit("not today")])
def test_what_a_function_raises_fails_its_session_only(tmp_path: Path, raised: BaseException) -> None:
    calls = 0

    def sometimes(text: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise raised
        return f"Go on, number {calls}."

    run = harness.run(
        SHORT, {"run.dir": tmp_path / "run"}, sessions_per_persona=3, concurrency=1, therapist=sometimes, quiet=True
    )
    assert run.exit_code == 1
    assert len(run.sessions()) == 2
    (failure,) = run.failures()
    assert f"{type(raised).__name__}: not today" in failure["message"]


async def cancelled(text: str) -> str:
    raise asyncio.CancelledError("gave up")


def exhausted(text: str) -> str:
    return next(iter(()))


@pytest.mark.parametrize(
    ("speaker", "why"), [(cancelled, "CancelledError: gave up"), (exhausted, "RuntimeError: the function raised Stop")]
)
def test_what_a_future_can_not_carry_fails_its_session_too(tmp_path: Path, speaker: Any, why: str) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, therapist=speaker, quiet=True)
    assert (run.status, run.exit_code) == ("finished", 1)
    assert why in run.failures()[0]["message"]


def test_functions_that_block_wait_for_no_other(tmp_path: Path) -> None:
    together = threading.Barrier(40)  # more than a pool of threads has

    def blocks(text: str) -> str:
        together.wait(60)
        return "Go on."

    run = harness.run(
        SHORT, {"run.dir": tmp_path / "run"}, sessions_per_persona=40, concurrency=40, therapist=blocks, quiet=True
    )
    assert run.exit_code == 0


def test_two_functions_of_one_name_are_two_speakers(tmp_path: Path) -> None:
    run = harness.run(
        SHORT, {"run.dir": tmp_path / "run"}, therapist=lambda text: "Go on.", patient=lambda text: "No.", quiet=True
    )
    assert {(turn["speaker"], turn["text"]) for turn in run.turns()} == {("therapist", "Go on."), ("patient", "No.")}


def test_runs_at_the_same_time_each_have_their_own_function(tmp_path: Path) -> None:
    def made(name: str) -> Callable[[str], str]:
        def agent(text: str) -> str:
            return f"I am {name}."

        return agent

    async def play() -> list[harness.Run]:
        runs = (harness.arun(SHORT, {"run.dir": tmp_path / name}, therapist=made(name), quiet=True) for name in "abc")
        return list(await asyncio.gather(*runs))

    for name, run in zip("abc", asyncio.run(play()), strict=True):
        assert {turn["text"] for turn in run.turns() if turn["speaker"] == "therapist"} == {f"I am {name}."}


def test_a_program_of_hydras_keeps_its_own_state(tmp_path: Path) -> None:
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        outer = GlobalHydra.instance().hydra
        harness.run(SHORT, {"run.dir": tmp_path / "run", "seed": 71}, quiet=True)
        assert GlobalHydra.instance().hydra is outer


def test_text_that_is_none_fails_its_session_with_a_reason(tmp_path: Path) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, therapist=lambda text: "a \ud800", quiet=True)
    assert "half of a surrogate pair" in run.failures()[0]["message"]


@pytest.mark.parametrize(("speaker", "found"), [(5, "found int 5"), (["act"], "found list"), (dict, "one argument")])
def test_what_can_not_speak_is_a_config_error(speaker: Any, found: str, tmp_path: Path) -> None:
    with pytest.raises(harness.ConfigError, match=found):
        harness.run(SHORT, {"run.dir": tmp_path / "run"}, therapist=speaker, quiet=True)


def test_a_run_with_a_function_is_resumed_from_python_only(tmp_path: Path) -> None:
    def never(text: str) -> str:
        raise ValueError("no")

    folder = tmp_path / "run"
    assert harness.run(SHORT, {"run.dir": folder}, therapist=never, quiet=True).exit_code == 1

    def never_again(text: str) -> str:
        return "Go on."

    never_again.__qualname__ = never.__qualname__
    run = harness.resume(folder, therapist=never_again, retry_failed=True, quiet=True)
    assert run.exit_code == 0
    assert [turn["text"] for turn in run.turns() if turn["speaker"] == "therapist"] == ["Go on.", "Go on."]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"personas": ["two-cup"]}, "two-cup"),
        ({"max_exchange": 3}, "did you mean max_exchanges?"),
        ({"seed": -1}, "seed"),
    ],
)
def test_mistakes_raise_config_errors(settings: dict[str, object], line: str, tmp_path: Path) -> None:
    with pytest.raises(harness.ConfigError, match=line.replace("?", r"\?")):
        harness.run("engine=dry", {"run.dir": tmp_path / "run"}, settings, quiet=True)


def test_what_is_no_setting_and_no_run_is_refused() -> None:
    with pytest.raises(harness.ConfigError, match=r"settings: found list .*; expected KEY=VALUE or a dict"):
        harness.run(["engine=dry"], quiet=True)  # type: ignore[arg-type]
    with pytest.raises(harness.ComparisonError, match="no runs"):
        harness.compare()


def test_what_is_no_run_and_no_option_is_a_config_error(tmp_path: Path) -> None:
    run: Any = harness.run(SHORT, {"run.dir": tmp_path / "run"}, quiet=True)
    calls: tuple[Callable[[Any], object], ...] = (
        harness.compare,
        harness.judge,
        harness.resume,
        lambda runs: harness.export(runs, format="sft", out="x"),
    )
    for call in calls:
        with pytest.raises(harness.ConfigError, match=r"run: found list .*; expected a Run, a Sweep or a folder"):
            call([run, run])
    options: list[dict[str, Any]] = [{"split": 0.5}, {"keep": ["loop"]}, {"where": 5}]
    for option in options:
        with pytest.raises(harness.ConfigError, match=f"{next(iter(option))}: found .*, expected text"):
            harness.export(run, format="sft", out=tmp_path / "out", **option)
    with pytest.raises(harness.ConfigError, match=r"margin: found str '0.5', expected a number"):
        harness.export(run, format="dpo", out=tmp_path / "out", by="exchanges", margin="0.5")


def test_the_mistakes_of_an_exporter_are_its_own_and_leave_nothing(tmp_path: Path) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, quiet=True)

    def breaks(job: Job) -> Written:
        (job.out / "part").mkdir(parents=True)
        (job.out / "part" / "1.txt").write_text("half")
        raise KeyError("speaker")

    exporters: list[tuple[Any, str]] = [
        (breaks, "KeyError: 'speaker'"),
        (lambda job: None, "TypeError: expected it to return a Written, found NoneType"),
    ]
    for function, why in exporters:
        harness.exporter("mine")(function)
        try:
            with pytest.raises(harness.HarnessError, match=rf"exporter mine \(plug-in {__name__}\): {why}"):
                harness.export(run, format="mine", out=tmp_path / "out")
        finally:
            EXPORTERS.forget("mine")
        assert not (tmp_path / "out").exists()


def test_a_function_that_a_resumed_run_does_not_use_is_refused(tmp_path: Path) -> None:
    run = harness.run(SHORT, {"run.dir": tmp_path / "run"}, quiet=True)
    with pytest.raises(harness.ConfigError, match=r"therapist: a function has no effect here: .* has engine=dry"):
        harness.resume(run, therapist=reply, quiet=True)
    assert harness.resume(run, {"concurrency": 3}, quiet=True).config["concurrency"] == 3


def test_a_sweep_and_its_comparison(tmp_path: Path) -> None:
    sweep = harness.sweep(SHORT, "therapist=act,cbt", {"run.dir": tmp_path / "sweep"}, quiet=True)
    assert len(sweep.runs()) == 2
    assert {point["therapist"] for point in sweep.points()} == {"act", "cbt"}
    comparison = harness.compare(sweep, metrics=["exchanges"])
    assert len(comparison.settings) == 2
    assert harness.compare(sweep, metrics="exchanges") == comparison
    assert harness.open_sweep(sweep.path).points()[0]["state"] == "finished"


@pytest.mark.parametrize("number", [np.float64(0.25), np.float32(0.25), 0.25])
def test_numbers_of_numpy_are_numbers(number: float) -> None:
    assert value_written(number) == "0.25"


@pytest.mark.parametrize("key", ["therapist", "context", "therapist.model"])
def test_a_list_is_no_choice_and_no_sweep(key: str, tmp_path: Path) -> None:
    with pytest.raises(harness.ConfigError, match=rf"{key}: found list .* \(a sweep takes '{key}=act,cbt'\)"):
        harness.sweep(SHORT, {"run.dir": tmp_path / "sweep", key: ["act", "cbt"]}, quiet=True)


def test_values_reach_hydra_as_they_are(tmp_path: Path) -> None:
    odd = "it's a {strange}, name=1 \\ $x"
    run = harness.run(SHORT, {"run.dir": tmp_path / "run", "run.name": "plain"}, quiet=True)
    assert run.record.name == "plain"
    with pytest.raises(harness.HarnessError):
        harness.run(SHORT, {"run.dir": tmp_path / "other", "persona_dir": tmp_path / odd}, quiet=True)


def test_a_run_s_measures_are_those_of_its_turns(tmp_path: Path) -> None:
    run = harness.run(
        engine="dry", personas=["two-cups"], max_exchanges=4, quiet=True, run={"dir": str(tmp_path / "run")}
    )
    [session] = read_sessions(run.path / "sessions.jsonl")
    kept, again = session.metrics["therapist"], session_metrics(session.turns)["therapist"]
    assert {name: kept[name] for name in NAMES} == {name: again[name] for name in NAMES}
    assert kept["reflection_rate"] is not None
