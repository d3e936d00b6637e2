"""`python -m harness branch`: what is said anew, what stays, and what other commands make of it. On the dry engine."""

import os
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.__main__ import main
from harness.errors import ConfigError
from harness.runs.branching.points import Points, beginnings
from harness.store.played import Played
from harness.store.records import RunStatus, read_record
from harness.types import SessionSpec, Source, Speaker, Turn
from tests.fixtures.processes import harness, start, wait_for_turns

PLAYED = ("engine=dry", "max_exchanges=8", "engine.max_model_len=2048", "personas=[two-cups,last-appointment]")


def sessions(folder: Path) -> dict[str, dict[str, Any]]:
    lines = map(orjson.loads, (folder / "sessions.jsonl").read_bytes().splitlines())
    return {line["session_id"]: line for line in lines}


def texts(session: dict[str, Any]) -> list[str]:
    return [turn["text"] for turn in session["turns"]]


def rows(folder: Path, name: str = "train.jsonl") -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / name).read_bytes().splitlines()]


@pytest.fixture(scope="module")
def run(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played") / "run"
    assert main(["run", *PLAYED, "context=hybrid", f"model.path={small_model}", f"run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def branches(run: Path) -> Path:
    folder = run.parent / "branches"
    assert main(["branch", str(run), "--turn", "5", "--k", "3", f"run.dir={folder}"]) == 0
    return folder


def test_a_branch_begins_as_its_parent_and_number_0_repeats_it(run: Path, branches: Path) -> None:
    parents, found = sessions(run), sessions(branches)
    assert set(found) == {f"{name}@5.{k}" for name in parents for k in range(3)}
    assert read_record(branches).source is Source.BRANCHED
    for session in found.values():
        parent = parents[session["branch"]["session_id"]]
        assert session["source"] == "branched"
        assert session["turns"][:5] == parent["turns"][:5]
        same = texts(session) == texts(parent)
        assert same == (session["branch"]["variant"] == 0)
        assert session["seed"] == parent["seed"] if same else session["seed"] != parent["seed"]


def test_the_prompts_of_a_branch_are_those_of_its_parent_where_both_said_the_same(run: Path, branches: Path) -> None:
    shown = [
        harness("show", str(folder), name, "--turn", "7", "--json").stdout
        for folder, name in ((run, "two-cups-000"), (branches, "two-cups-000@5.0"))
    ]
    ours, theirs = (orjson.loads(text) for text in shown)
    assert ours["ids"] == theirs["ids"]
    before = harness("show", str(branches), "two-cups-000@5.0", "--turn", "3")
    assert before.returncode == 2
    assert f"harness show {run} two-cups-000" in before.stderr


def test_only_what_this_run_said_counts(run: Path, branches: Path) -> None:
    found = sessions(branches).values()
    own = [turn for session in found for turn in session["turns"][5:]]
    totals = read_record(branches).totals
    assert totals.turns == len(own)
    assert totals.completion_tokens == sum(turn["completion_tokens"] for turn in own)


def test_every_turn_for_one_exchange(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    words = ["two-cups-000", "--turn", "all", "--k", "2", "--exchanges", "1", "therapist=mi", f"run.dir={folder}"]
    assert main(["branch", str(run), *words]) == 0
    found = sessions(folder)
    assert len(found) == 2 * 8
    assert all(len(session["turns"]) == session["branch"]["turn"] + 1 for session in found.values())
    config = read_record(folder).config
    assert (config["therapist"]["name"], config["context"]["policy"]) == ("mi", "hybrid")
    assert config["engine" if "engine" in config else "therapist"]
    assert config["therapist"]["engine"]["max_model_len"] == 2048


def test_branches_of_branches_go_on_from_their_own_view(branches: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    assert main(["branch", str(branches), "two-cups-000@5.1", "--turn", "9", "--k", "1", f"run.dir={folder}"]) == 0
    (found,) = sessions(folder).values()
    assert texts(found) == texts(sessions(branches)["two-cups-000@5.1"])


def test_a_branch_from_before_its_parents_own_turns_needs_a_view_that_is_known(
    run: Path, branches: Path, small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the parent begins with was said in another run. If its view was cut by then, only that run has the earlier ones."""
    early = tmp_path / "early"
    assert main(["branch", str(branches), "two-cups-000@5.1", "--turn", "3", "--k", "1", f"run.dir={early}"]) == 0
    (found,) = sessions(early).values()
    assert texts(found)[:3] == texts(sessions(run)["two-cups-000"])[:3]
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    small = ("max_exchanges=14", "engine.max_model_len=1400", "patient.max_new_tokens=128", "patient.profile=off")
    words = ["engine=dry", "personas=[two-cups]", "therapist.max_new_tokens=128", *small, f"model.path={small_model}"]
    assert main(["run", *words, f"run.dir={first}"]) == 0
    assert main(["branch", str(first), "--turn", "23", f"run.dir={second}"]) == 0
    capsys.readouterr()
    assert main(["branch", str(second), "--turn", "3", f"run.dir={third}"]) == 2
    assert f"turn 3 comes from two-cups-000 of {first}, and its view" in capsys.readouterr().err
    assert not third.exists()


def test_an_id_that_no_file_can_have_is_refused() -> None:
    parent = Played(SessionSpec("x" * 198, "two-cups", 0, 0), {}, [Turn(0, Speaker.PATIENT, "Hello.")], [None])
    with pytest.raises(ConfigError, match="too long for a file name"):
        list(beginnings(Path("run"), [parent], Points("0"), variants=1, exchanges=None))


def test_killed_branches_are_resumed_to_the_same_end(run: Path, branches: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    words = (
        "branch",
        str(run),
        "--turn",
        "5",
        "--k",
        "3",
        f"run.dir={folder}",
        "engine.latency_s=0.05",
        "concurrency=2",
    )
    process = start(*words)
    wait_for_turns(process, folder, 12)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert main(["resume", str(folder)]) == 0
    assert read_record(folder).status is RunStatus.FINISHED
    assert {name: texts(one) for name, one in sessions(folder).items()} == {
        name: texts(one) for name, one in sessions(branches).items()
    }


def test_compare_pairs_branches_under_other_settings(
    run: Path, branches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "b"
    words = ["--turn", "5", "--k", "3", "therapist.max_new_tokens=48", f"run.dir={folder}"]
    assert main(["branch", str(run), *words]) == 0
    capsys.readouterr()
    assert main(["compare", str(branches), str(folder), "--metric", "therapist.words_per_turn", "--json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert any("one turn generated again" in note for note in told["notes"])
    assert "6 pairs" in orjson.dumps(told).decode() or '"pairs":6' in orjson.dumps(told).decode()


def test_dpo_pairs_come_from_branches_with_the_same_prompt(run: Path, branches: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    assert main(["export", str(branches), "--format", "dpo", "--out", str(out), "--by", "turns + variant"]) == 0
    found = rows(out)
    assert len(found) == 2
    for row in found:
        assert row["turn"] == 5
        assert row["chosen"] != row["rejected"]
        assert row["margin"] > 0
        assert [message["role"] for message in row["chosen"]] == ["assistant"]
        assert row["prompt"][-1] == {
            "role": "user",
            "content": sessions(run)[row["chosen_session"][:-4]]["turns"][4]["text"],
        }
        ids = [*row["prompt_ids"], *row["chosen_ids"]]
        assert len(ids) <= row["max_model_len"]
    parts = tmp_path / "sft"
    assert main(["export", str(branches), "--format", "sft", "--out", str(parts)]) == 0
    assert {row["turn"] for row in rows(parts)} == {
        5,
        7,
        9,
        11,
        13,
        15,
    }  # the parent's turns are in the parent's export


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--turn", "x"], "--turn: found 'x'"),
        (["--turn", "99"], "no session of"),
        (["nobody-000", "--turn", "5"], "no session 'nobody-000'"),
        (["--turn", "5", "seed=3"], "seed: the run, its session ids and --turn decide"),
        (["--turn", "5", "personas=all"], "personas: the run, its session ids and --turn decide"),
        (["--turn", "5", "therapist.modle.path=x"], "therapist.modle"),
        (["--turn", "5", "--k", "0"], "--k: found 0"),
        (["--turn", "5", "therapist=nobody"], "therapist"),
    ],
)
def test_what_cannot_branch_is_refused_before_a_folder_is_made(
    run: Path, tmp_path: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["branch", str(run), *words, f"run.dir={tmp_path / 'b'}"]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
