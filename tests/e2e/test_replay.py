"""`python -m harness replay-check`: turns of a run asked once more."""

import json
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fixtures.processes import harness


@pytest.fixture(scope="module")
def played(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dry run with compactions, directions and second drafts, on a model folder of its own."""
    model = tmp_path_factory.mktemp("model")
    for file in small_model.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, model)
    folder = tmp_path_factory.mktemp("played") / "run"
    done = harness(
        *("run", "engine=dry", f"model.path={model}", f"run.dir={folder}", "personas=[two-cups,left-in-march]"),
        *("context=hybrid", "engine.max_model_len=1400", "max_exchanges=12", "guard.repeat_share=0.25"),
        *("therapist.max_new_tokens=128", "patient.max_new_tokens=128", "patient.self_check=rules"),
        *("patient.profile=off", "guard.mends=both", "seed=3"),
    )
    assert done.returncode == 0, done.stderr
    drafts = {
        str(line.get("draft")) for line in map(orjson.loads, (folder / "journal.jsonl").read_bytes().splitlines())
    }
    assert {"0", "1", "checked"} <= drafts
    return folder


def check(folder: Path, turns: int = 1000) -> dict[str, Any]:
    done = harness("replay-check", str(folder), "--turns", str(turns), "--json", timeout_s=400)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_all_turns_of_a_dry_run_come_out_the_same_and_nothing_is_changed(played: Path) -> None:
    before = {file: file.read_bytes() for file in played.rglob("*") if file.is_file()}
    result = check(played)
    assert result["same"] == result["repeated"] == 48
    assert {file: file.read_bytes() for file in played.rglob("*") if file.is_file()} == before
    assert harness("replay-check", str(played)).stdout == "20 of 20 turns are the same (100%)\n"


def test_a_turn_that_differs_is_named_with_the_place_where_it_parts(played: Path, tmp_path: Path) -> None:
    """The last turn of a session is in no prompt, so that only it differs."""
    folder = tmp_path / "run"
    shutil.copytree(played, folder)
    journal = folder / "journal.jsonl"
    lines = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    last = next(line["turn"] for line in reversed(lines) if line["event"] == "turn")
    said, last["text"] = last["text"], last["text"][:7] + "~" + last["text"][8:]
    journal.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    result = check(folder)
    (other,) = [turn for turn in result["turns"] if not turn["same"]]
    assert (other["parts_at"], other["again"], other["turn"]) == (7, said, last["index"])
    shown = harness("replay-check", str(folder), "--turns", "48").stdout
    assert f"turn {last['index']} (therapist): differs from character 7 of {len(said)}" in shown
    assert "47 of 48 turns are the same (98%)" in shown


def test_what_can_not_be_repeated_is_one_line(played: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert harness("replay-check", str(folder)).returncode == 2
    shutil.copytree(played, folder)
    model = Path(orjson.loads((folder / "run.json").read_bytes())["config"]["therapist"]["model"]["path"])
    config = model / "tokenizer_config.json"
    content = config.read_text()
    config.write_text(content + "\n")
    try:
        refused = harness("replay-check", str(folder))
    finally:
        config.write_text(content)
    assert refused.returncode == 2
    assert all("not those that the run was played with" in line for line in refused.stderr.splitlines())
    (folder / "journal.jsonl").write_bytes(b"")
    refused = harness("replay-check", str(folder))
    assert refused.returncode == 2
    assert "nothing to repeat" in refused.stderr


def test_all_turns_of_a_transformers_run_in_batches_of_one_come_out_the_same(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = harness(
        *("run", "engine=transformers", "engine.max_batch=1", f"model.path={small_model}", f"run.dir={folder}"),
        *("personas=two-cups", "max_exchanges=3", "therapist.max_new_tokens=16", "patient.max_new_tokens=16"),
        *("engine.max_model_len=1024", "guard=off"),
        timeout_s=400,
    )
    assert done.returncode == 0, done.stderr
    result = check(folder)
    assert result["same"] == result["repeated"] == 6
