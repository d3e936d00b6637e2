"""Every command in the README and the documents does what a reader expects of it.

Commands that need neither GPU, server, cluster nor network are run, in one folder, in the order in which a page has them,
without any model but `dry`. Runs that need more are composed as settings. Whatever can't be tried here is listed with the
reason; a command of no kind fails.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.__main__ import main, parsed
from harness.cli.commands import COMMANDS
from tests.fixtures.documents import PAGES, Command, commands, files
from tests.fixtures.processes import ROOT

NOT_TRIED = {
    r"python -m harness export RUN --format NAME": "names a format of the reader's own",
    r"scripts/(quickstart|test|lock|test-vllm)\b.*": "sets the machine up; CI runs both in jobs of their own",
    r"\.ci/run": "runs this test",
    r"(\S+/)?python3?(\.\d+)? -m (venv|pip) .*|pip install .*": "installs packages from a network",
    r"source \S+|export \w+=.*|cd \S+|eval .*": "changes the reader's shell",
    r"(vllm|jupyter|mkdocs|inspect) .*": "a program that serves until it is stopped",
    r"sbatch .*": "needs a Slurm cluster; the script itself is checked below",
    r"python scripts/bench/.*": "a benchmark, which takes minutes",
    r"scripts/examples/train_loop": "trains an adapter, which takes half an hour",
    r"python -m harness fetch.*": "downloads a model",
    r"python -m harness branch .*adapter=.*": "needs an adapter, and vLLM",
    r"python -m harness personas sample .* --write-with .*": "asks a model that needs a GPU",
    r"python -m harness resume RUN_DIR .*engine\..*": "gives new settings to a run on a server or a GPU",
}
PARSED = {
    r"python -m harness judge (?!.*judge.engine=scripted).*": "asks a judge's model",
    r"python -m harness judge-reliability outputs/latest": "needs the scores of a judge's model",
    r"python -m harness judge-calibrate .*": "needs ratings by people",
    r"python -m harness audit .*": "plays thousands of turns",
    r"python -m harness fidelity .*": "needs sessions of a model, and transcripts of people",
}
"""Commands that are parsed and not run, with the reason."""
PLACEHOLDERS = {
    "RUN": "outputs/shown",
    "RUN_DIR": "outputs/shown",
    "DIR": "outputs/shown",
    "SWEEP": "outputs/swept",
    "SESSION": "two-cups-000",
    "N": "1",
    "ID": "two-cups",
    "outputs/sweep-DATE": "outputs/swept",
    "outputs/NAME-DATE": "outputs/shown",
}
TALKS = """\
transcript_id,utterance_id,interlocutor,utterance_text,main_therapist_behaviour,client_talk_type,mi_quality
1,0,client,I came.,,neutral,high
1,1,therapist,What brings you?,question,,high
"""
FEW = "personas=[two-cups,night-guard-talks]"
"""Instead of all personas, which other tests play."""
HEAVY = ("experiment=", "hydra/launcher=", "executor=ray")
"""Settings of a dry run that takes more than a few seconds, or other processes: checked, not played."""
RETURNS = {"doctor": {0, 3}}
"""Exit codes other than 0 that tell about the machine and not about the command."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with a run, a sweep and a run of every file that the pages show."""
    path = tmp_path_factory.mktemp("reader")
    before = Path.cwd()
    os.chdir(path)
    try:
        small = ["engine=dry", "personas=[two-cups]", "max_exchanges=2"]
        longer = ["engine=dry", FEW, "max_exchanges=11"]
        assert main(["run", *longer, "run.dir=outputs/shown", "--quiet"]) == 0
        for name, policy in (("a", "truncate"), ("b", "hybrid")):
            assert main(["run", *small, f"context={policy}", f"run.dir=outputs/{name}", "--quiet"]) == 0
        assert main(["run", "-m", *small, "therapist=act,cbt", "context=truncate,hybrid", "run.dir=outputs/swept"]) == 0
        (path / "examples").symlink_to(ROOT / "examples")
        (path / "talks.csv").write_text(TALKS)
        (path / "session.txt").write_text("Patient: I came.\n\nTherapist: I see.\n")
        yield path
    finally:
        os.chdir(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_do_what_they_say(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = folder / "outputs" / "latest"
    for name, content in files(page):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    wrong = []
    for command in commands(page):
        shown.unlink(missing_ok=True)
        shown.symlink_to("swept" if "compare" in command.text else "shown")
        if (problem := tried(command)) is not None:
            wrong.append(f"{command}\n    {problem}\n{capsys.readouterr().err[-600:]}")
    assert not wrong, "\n".join(wrong)


def tried(command: Command) -> str | None:
    """What is wrong with a command; None where it works, or can't be tried here for a reason that is known."""
    text = re.sub(r"^folder=\$\((.*)\)$", r"\1", command.text)
    text = text.removeprefix(".venv/bin/")
    if any(re.fullmatch(pattern, text) for pattern in NOT_TRIED):
        return None
    words = shlex.split(re.sub(r"\s+[>|].*$", "", text))
    words = [PLACEHOLDERS.get(word, word) for word in words]
    if words[:3] != ["python", "-m", "harness"]:
        return "is neither a command of the harness nor listed with a reason"
    if words[3:] and words[3] not in COMMANDS:
        return f"there is no command {words[3]!r}"
    if any(re.fullmatch(pattern, text) for pattern in PARSED):
        return _parsed(words[3], words[4:])
    return _run(words[4:]) if words[3:4] == ["run"] else _other(words[3:])


def _run(words: Sequence[str]) -> str | None:
    """Play what the dry engine can play, with few exchanges; compose the rest."""
    if "--help" in words:
        return _exit(["run", *words], {0})
    if "--cfg" in words or "--dry-run" in words:
        return _code(main(["run", *words]))
    if "engine=dry" in words and not any(word.startswith(HEAVY) for word in words):
        given = any(word.startswith(("max_exchanges=", "patient=replay")) for word in words)
        words = [FEW if word == "personas=all" else word for word in words]
        return _code(main(["run", *words, *(() if given else ["max_exchanges=2"])]))
    options = [word for word in words if word not in ("--strict", "--quiet", "--json")]
    return _code(main(["run", "--cfg", "job", *options]))


def _other(words: list[str]) -> str | None:
    if "--help" in words or not words:
        return _exit(words, {0})
    if "--out" in words and words[0] != "personas":  # a page shows several ways; a reader takes one of them
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    return _code(main(words), RETURNS.get(words[0], {0}))


def _parsed(name: str, words: list[str]) -> str | None:
    try:
        parsed(name, words)
    except SystemExit:
        return "can't be parsed"
    return None


def _code(code: int, expected: set[int] | None = None) -> str | None:
    return None if code in (expected or {0}) else f"exit code {code}"


def _exit(words: list[str], expected: set[int]) -> str | None:
    """Argparse ends the process after its help."""
    try:
        return _code(main(words), expected)
    except SystemExit as end:
        return _code(int(end.code or 0), expected)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links, anchors, and pages that no menu leads to are checked by MkDocs itself."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an announcement of another product
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Your own LoRA" in (tmp_path / "site" / "recipes" / "index.html").read_text()


def test_a_command_that_is_wrong_is_found() -> None:
    assert tried(Command("page", 1, "python -m harness run therapist=nobody")) == "exit code 2"
    assert tried(Command("page", 1, "python -m harness rum")) == "there is no command 'rum'"
    assert tried(Command("page", 1, "python -m harness judge outputs/latest --wrong")) == "can't be parsed"
    assert (
        tried(Command("page", 1, "curl host.example")) == "is neither a command of the harness nor listed with a reason"
    )


def test_the_first_block_of_the_readme_is_all_that_sets_up() -> None:
    first = [command.text for command in commands(ROOT / "README.md")][:2]
    assert first == ["scripts/quickstart", "scripts/test"]


def test_the_five_tasks_are_found_from_the_readme_in_two_clicks() -> None:
    readme = (ROOT / "README.md").read_text()
    recipes = (ROOT / "docs" / "recipes.md").read_text()
    anchors = [
        re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
        for line in recipes.splitlines()
        if line[:3] == "## "
    ]
    linked = re.findall(r"\(docs/recipes\.md#([a-z-]+)\)", readme)
    assert len(linked) == 5
    assert set(linked) <= set(anchors)
    assert set(linked) == {
        "a-gpu",
        "a-server-that-runs-already",
        "your-own-persona",
        "your-own-therapist-prompt",
        "your-own-lora",
    }


def test_the_command_has_one_name() -> None:
    found = [
        f"{page.name}: {line}"
        for page in PAGES
        for line in page.read_text().splitlines()
        if re.search(r"`harness (run|show|resume|personas|compare|report|fetch|doctor|list)\b", line)
    ]
    assert found == []


def test_no_percent_sign_stands_apart() -> None:
    found = [
        f"{page.name}: {line}" for page in PAGES for line in page.read_text().splitlines() if re.search(r"\d %", line)
    ]
    assert found == []


def test_the_job_script_is_a_script(folder: Path) -> None:
    shown = dict(files(ROOT / "docs" / "recipes.md"))
    script = shown[Path("night.sh")]
    runs = [line.strip().removeprefix("exec ") for line in script.splitlines() if "exec python -m harness" in line]
    assert [tried(Command("night.sh", 1, line.replace('"$folder"', "outputs/shown"))) for line in runs] == [None, None]
