"""Pipes, devices, folders, loops of links and files without end in the place of files: never waited for, never read through."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.attacks import SPECIALS, files_of
from tests.fixtures.confined import Confined, confined

SESSION = "two-cups-000"
RUN_FILES = ("run.json", "journal.jsonl", "sessions.jsonl", "failures.jsonl", "metrics.json", "scores.jsonl")
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "run.json": (
        ("show", "RUN", SESSION, "--turn", "1"),
        ("report", "RUN"),
        ("resume", "RUN"),
        ("repair", "RUN"),
        ("compare", "RUN", "RUN"),
    ),
    "journal.jsonl": (("show", "RUN", SESSION, "--turn", "1"), ("resume", "RUN"), ("repair", "RUN"), ("report", "RUN")),
    "sessions.jsonl": (
        ("report", "RUN", "--metrics"),
        ("resume", "RUN"),
        ("repair", "RUN"),
        ("export", "RUN", "--format", "sft", "--out", "OUT"),
    ),
    "failures.jsonl": (("report", "RUN"), ("resume", "RUN")),
    "metrics.json": (("report", "RUN"),),
    "scores.jsonl": (
        ("report", "RUN"),
        ("export", "RUN", "--format", "messages", "--out", "OUT"),
        ("sql", "RUN", "select count(*) from sessions"),
    ),
    "judgements.jsonl": (("judge", "RUN", "--plan"), ("report", "RUN")),
    "certificate.json": (("report", "RUN"), ("judge", "RUN", "--rescore")),
    "labels.jsonl": (("agree", "RUN"), ("export", "RUN", "--format", "sft", "--out", "OUT")),
    f"transcripts/{SESSION}.md": (("resume", "RUN"), ("report", "RUN")),
    ".lock": (("resume", "RUN"),),
    ".holder": (("resume", "RUN"),),
}
"""By file of a run folder, what reads it."""


@pytest.fixture(scope="module")
def command() -> Iterator[Confined]:
    with confined("tokenizers", "harness.store.reader", "harness.report", "harness.comparison.comparison") as server:
        yield server


@pytest.fixture(scope="module")
def played(command: Confined, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played") / "run"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups]", "max_exchanges=2")
    command("run", *given, codes=(0,))
    return folder


@pytest.fixture(scope="module")
def swept(command: Confined, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept") / "sweep"
    given = ("engine=dry", f"model.path={small_model}", f"run.dir={folder}", "personas=[two-cups]", "max_exchanges=1")
    command("run", "-m", *given, "therapist=act,bare", codes=(0,))
    return folder


def _spoil(path: Path, kind: str) -> None:
    if path.is_symlink() or path.exists():
        path.unlink()
    path.parent.mkdir(exist_ok=True)
    SPECIALS[kind](path)


@pytest.mark.parametrize("file", COMMANDS)
@pytest.mark.parametrize("kind", SPECIALS)
def test_a_file_of_a_run_folder(command: Confined, played: Path, tmp_path: Path, file: str, kind: str) -> None:
    for number, words in enumerate(COMMANDS[file]):
        folder, out = tmp_path / str(number) / "run", tmp_path / str(number) / "out"
        shutil.copytree(played, folder)
        _spoil(folder / file, kind)
        command(*(str(folder) if word == "RUN" else str(out) if word == "OUT" else word for word in words))
        assert {path.name for path in folder.parent.iterdir()} <= {"run", "out"}
        shutil.rmtree(folder.parent)


@pytest.mark.parametrize("file", ["sweep.json", ".sweep.json.lock"])
@pytest.mark.parametrize("kind", SPECIALS)
def test_a_file_of_a_sweep_folder(command: Confined, swept: Path, tmp_path: Path, file: str, kind: str) -> None:
    for number, words in enumerate((("compare",), ("resume",), ("report",), ("repair",))):
        folder = tmp_path / str(number) / "sweep"
        shutil.copytree(swept, folder)
        _spoil(folder / file, kind)
        command(*words, str(folder))


@pytest.mark.parametrize("kind", SPECIALS)
def test_a_run_of_a_sweep(command: Confined, swept: Path, tmp_path: Path, kind: str) -> None:
    for number, words in enumerate((("compare",), ("resume",), ("report",))):
        folder = tmp_path / str(number) / "sweep"
        shutil.copytree(swept, folder)
        _spoil(min(folder.glob("*/run.json")), kind)
        command(*words, str(folder))


Given = Callable[[Path], tuple[str, ...]]
SETTINGS: dict[str, tuple[str, Given]] = {
    "a persona": ("p/two-cups.yaml", lambda at: (f"persona_dir={at.parent}", "personas=[two-cups]")),
    "a prompt": ("p.jinja", lambda at: (f"therapist.prompt={at}",)),
    "a patient's prompt": ("p.jinja", lambda at: (f"patient.prompt={at}",)),
    "a transcript": ("t.txt", lambda at: ("patient=replay", f"patient.transcript={at}")),
    "a chat template": ("c.jinja", lambda at: (f"model.chat_template={at}",)),
    "an adapter": (
        "a/adapter_config.json",
        lambda at: ("therapist.engine=vllm", f"therapist.model.adapter={at.parent}"),
    ),
    "a config": ("conf/config.yaml", lambda at: ("--config-dir", str(at.parent))),
    "a therapist": ("conf/therapist/mine.yaml", lambda at: ("--config-dir", str(at.parents[1]), "therapist=mine")),
    "a rubric": ("r/mine.yaml", lambda at: ("judge=default", f"judging.rubric_dir={at.parent}", "judging.rubric=mine")),
    "a model": ("model", lambda at: (f"model.path={at}",)),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", SPECIALS)
def test_a_file_that_a_setting_names_is_refused_before_a_folder_is_made(
    command: Confined, small_model: Path, tmp_path: Path, name: str, kind: str
) -> None:
    file, given = SETTINGS[name]
    path = tmp_path / "given" / file
    path.parent.mkdir(parents=True)
    SPECIALS[kind](path)
    base = ("engine=dry", f"model.path={small_model}", f"run.dir={tmp_path / 'run'}", "max_exchanges=1")
    command("run", *base, *given(path), codes=(2,))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", SPECIALS)
def test_a_file_that_a_command_is_given(command: Confined, tmp_path: Path, kind: str) -> None:
    SPECIALS[kind](file := tmp_path / "x.yaml")
    before = files_of(tmp_path)
    command("personas", "validate", str(file), codes=(2,))
    command("import", str(file), "--format", "text", "--out", str(tmp_path / "out"), codes=(2,))
    command("agree", str(file), codes=(1, 2))
    command("rubrics", "validate", str(file), codes=(2,))
    for name in ("show", "report", "resume", "repair", "compare"):
        command(name, str(file), *((SESSION, "--turn", "1") if name == "show" else ()), codes=(1, 2))
    assert files_of(tmp_path) == before
