"""`python -m harness run` as users call it, on the dry engine: what it writes, what it refuses, and how it says so."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fixtures.processes import ROOT, harness

RUN_FILES = {
    "run.json",
    "journal.jsonl",
    "sessions.jsonl",
    "failures.jsonl",
    "metrics.json",
    "scores.jsonl",
    "report.html",
    "transcripts",
}


def dry(small_model: Path, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return harness("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}", *overrides)


def sessions(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "sessions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def played(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played") / "run"
    done = dry(small_model, folder, "max_exchanges=6", "engine.max_model_len=1024", "personas=all", "seed=3")
    assert done.returncode == 0, done.stderr
    return folder


def test_run_folder_holds_everything_that_is_promised(played: Path) -> None:
    assert {entry.name for entry in played.iterdir()} >= RUN_FILES
    record = json.loads((played / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["totals"]["finished"] == len(sessions(played)) == len(record["persona_hashes"])
    assert len(list((played / "transcripts").glob("*.md"))) == len(sessions(played))


def test_no_prompt_overflows_and_turns_alternate(played: Path) -> None:
    for session in sessions(played):
        turns = session["turns"]
        assert isinstance(turns, list)
        assert [turn["speaker"] for turn in turns] == ["patient", "therapist"] * (len(turns) // 2)
        for turn in turns:
            assert turn["prompt_tokens"] + turn["max_new_tokens"] <= turn["max_model_len"] == 1024


def test_same_seed_says_the_same_and_another_does_not(played: Path, small_model: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 3), ("other", 4)):
        overrides = ["max_exchanges=6", "engine.max_model_len=1024", "personas=all", f"seed={seed}"]
        assert dry(small_model, tmp_path / name, *overrides).returncode == 0

    def texts(folder: Path) -> dict[object, list[str]]:
        found: dict[object, list[str]] = {}
        for session in sessions(folder):
            turns = session["turns"]
            assert isinstance(turns, list)
            found[session["session_id"]] = [turn["text"] for turn in turns]
        return found

    assert texts(tmp_path / "same") == texts(played)
    assert texts(tmp_path / "other") != texts(played)


@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid"])
def test_show_gives_each_prompt_with_the_recorded_count(policy: str, small_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from harness.store.archive import Archive

    folder = tmp_path / "run"
    done = dry(small_model, folder, "max_exchanges=14", "engine.max_model_len=1024", f"context={policy}")
    assert done.returncode == 0, done.stderr
    tokenizer = AutoTokenizer.from_pretrained(str(small_model))
    archive, (session,) = Archive(folder), sessions(folder)
    recorded = archive.session(str(session["session_id"]))
    assert any(turn.evicted_turns for turn in recorded.turns)
    for turn in recorded.turns:
        rebuilt = archive.prompt(recorded, turn.index)
        counted = tokenizer(rebuilt.text, add_special_tokens=False)["input_ids"]
        assert len(counted) == turn.prompt_tokens
        assert tuple(counted) == rebuilt.ids
    shown = harness("show", str(folder), str(session["session_id"]), "--turn", "27", "--json")
    answer = json.loads(shown.stdout)
    assert len(answer["ids"]) == answer["prompt_tokens"] == recorded.turns[27].prompt_tokens
    assert answer["prompt"] == archive.prompt(recorded, 27).text


def test_replayed_patient_says_its_lines(small_model: Path, tmp_path: Path) -> None:
    lines = ["I can't sleep.", "It began in March.\n\n- first the job\n- then the move", "I don't know."]
    answers = ["Go on.", "That is a lot.", "[Error: maximum context length exceeded]"]
    transcript = tmp_path / "session.txt"
    transcript.write_text("\n\n".join(f"Patient: {a}\n\nTherapist: {b}" for a, b in zip(lines, answers, strict=True)))
    folder = tmp_path / "run"
    done = dry(small_model, folder, "patient=replay", f"patient.transcript={transcript}")
    assert done.returncode == 0, done.stderr
    (session,) = sessions(folder)
    turns = session["turns"]
    assert isinstance(turns, list)
    assert [turn["text"] for turn in turns if turn["speaker"] == "patient"] == lines
    assert session["stop_reason"] == "transcript_exhausted"


MISTAKES: dict[str, tuple[Sequence[str], int, Sequence[str]]] = {
    "misspelt key": (["max_exchange=3"], 2, ["max_exchange", "did you mean max_exchanges"]),
    "wrong type": (["max_exchanges=many"], 2, ["max_exchanges", "a whole number", "many"]),
    "out of range": (["therapist.sampling.temperature=-1"], 2, ["therapist.sampling.temperature", "-1"]),
    "unknown choice": (["therapist=cbtt"], 2, ["therapist=cbtt", "cbt"]),
    "unknown persona": (["personas=[skeptical]"], 2, ["no persona 'skeptical'"]),
    "no room for a prompt": (["engine.max_model_len=256", "therapist.max_new_tokens=256"], 2, ["256", "no room"]),
    "window too small for the persona": (["engine.max_model_len=720"], 2, ["persona", "would"]),
    "missing model folder": (["model.path=/no/such/folder"], 2, ["model.path", "/no/such/folder"]),
    "replay without a transcript": (["patient=replay"], 2, ["patient.transcript"]),
    "missing transcript": (["patient=replay", "patient.transcript=/no/such.txt"], 2, ["/no/such.txt"]),
    "unwritable folder": (["run.dir=/proc/nothing/here"], 2, ["/proc/nothing"]),
    "server without an address": (["engine=openai"], 2, ["engine.base_url"]),
    "not a setting": (["faster"], 2, ["faster", "KEY=VALUE"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line_and_comes_at_once(mistake: str, small_model: Path, tmp_path: Path) -> None:
    overrides, code, parts = MISTAKES[mistake]
    given = [f"model.path={small_model}", "engine=dry", f"run.dir={tmp_path / 'run'}"]
    done = harness("run", *given, *overrides)
    assert done.returncode == code
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert all(part in lines[0] for part in parts), lines[0]
    assert not (tmp_path / "run").exists()


def test_two_mistakes_are_two_lines() -> None:
    done = harness("run", "max_exchanges=0", "seed=x")
    assert done.returncode == 2
    assert [line.split(":")[2].strip() for line in sorted(done.stderr.splitlines())] == ["max_exchanges", "seed"]


def test_a_server_that_is_not_there_is_an_engine_error(small_model: Path, tmp_path: Path) -> None:
    done = harness(
        "run",
        "engine=openai",
        "engine.base_url=http://127.0.0.1:9/v1",
        "engine.outage_s=1",
        f"model.path={small_model}",
        f"run.dir={tmp_path / 'run'}",
    )
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_is_never_overwritten(played: Path, small_model: Path) -> None:
    before = (played / "sessions.jsonl").read_bytes()
    done = dry(small_model, played)
    assert done.returncode == 2
    assert "already holds a run" in done.stderr
    assert (played / "sessions.jsonl").read_bytes() == before


def test_own_config_folder_comes_first(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "therapist").mkdir()
    (tmp_path / "therapist" / "mine.yaml").write_text(
        "defaults:\n  - /role/therapist@_here_\n  - _self_\n\nname: mine\nprompt: null\n"
    )
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "truncate.yaml").write_text(
        "policy: truncate\nlow_water: 0.5\nnote_tokens: 100\nsummarizer: own\n"
    )
    done = harness("run", "--config-dir", str(tmp_path), "therapist=mine", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "name: mine" in done.stdout
    assert "low_water: 0.5" in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["resume", "--help"], ["show", "--help"]])
def test_help_helps(words: list[str]) -> None:
    done = harness(*words)
    assert done.returncode == 0
    assert "usage" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from harness.__main__ import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "vllm", "hydra", "pydantic", "rich"} & set(
        done.stderr.replace("'", "").split(", ")
    )
