"""A key from the environment goes to servers that the user named, whatever a run folder says."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.config import servers
from harness.config.compose import load
from harness.config.schema import RunConfig
from harness.config.servers import refuse_server, remember
from harness.errors import StorageError
from harness.runs.branching.points import Points
from harness.runs.branching.run import prepare_branches
from harness.runs.prepare import recorded_config
from harness.sweeps.record import PointRecord, write_points
from harness.sweeps.sweep import resume_sweep
from tests.e2e.test_old_run_folders import FIXTURE

FAR = "http://far.example:8000/v1"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def config(url: str = FAR, variable: str | None = "MY_KEY") -> RunConfig:
    named = [f"engine.api_key_env={variable}"] if variable else []
    return load(["engine=openai", f"engine.base_url='{url}'", "engine.model=m", *named])


def test_a_server_that_only_a_folder_names_gets_no_key() -> None:
    with pytest.raises(
        StorageError, match=r"patient\.engine\.base_url: the key in MY_KEY would go to http://far\.example:8000,"
    ):
        refuse_server(config(), Path("run"))
    refuse_server(config(), Path("run"), trusted=True)
    refuse_server(config(), Path("run"), [f"engine.base_url={FAR}"])
    with pytest.raises(StorageError, match=r"therapist\.engine\.base_url"):
        refuse_server(config(), Path("run"), [f"patient.engine.base_url={FAR}"])


@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("http://127.0.0.1:8000/v1", "MY_KEY"),
        ("http://localhost/v1", "MY_KEY"),
        ("http://[::1]:9/v1", "MY_KEY"),
        (FAR, None),
    ],
)
def test_this_machine_and_a_server_without_a_key_need_no_word(url: str, variable: str | None) -> None:
    refuse_server(config(url, variable), Path("run"))


def test_what_the_user_named_in_a_run_is_known_from_then_on(cache: Path) -> None:
    remember([config()])
    refuse_server(config("http://FAR.example:8000/other/v1"), Path("run"))
    for other in (
        config("https://far.example:8000/v1"),
        config("http://far.example:8001/v1"),
        config(FAR, "OTHER_KEY"),
    ):
        with pytest.raises(StorageError):
            refuse_server(other, Path("run"))
    assert json.loads((cache / "servers.json").read_text()) == [["http://far.example:8000", "MY_KEY"]]


def test_runs_that_start_together_are_all_remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = servers._known

    def slowly() -> set[tuple[str, str]]:
        known = read()
        time.sleep(0.02)  # the others read the same
        return known

    monkeypatch.setattr(servers, "_known", slowly)
    configs = [config(f"http://far.example:{8000 + number}/v1") for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda one: remember([one]), configs))
    assert len(json.loads((cache / "servers.json").read_text())) == 4


@pytest.mark.parametrize(
    "content", [b"", b"[[", b"null", b'[["a"], 7, [1, 2], ["http://far.example:8000", "MY_KEY", "x"]]', b"\xff"]
)
def test_a_damaged_note_knows_nobody(cache: Path, content: bytes) -> None:
    cache.mkdir()
    (cache / "servers.json").write_bytes(content)
    with pytest.raises(StorageError):
        refuse_server(config(), Path("run"))
    remember([config()])
    refuse_server(config(), Path("run"))


def _foreign(tmp_path: Path) -> Path:
    shutil.copytree(FIXTURE / "finished", tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    record = json.loads(file.read_text())
    for role in ("patient", "therapist"):
        engine = record["config"][role]["engine"]
        engine |= {"kind": "openai", "base_url": FAR, "api_key_env": "MY_KEY", "model": "m"}
    file.write_text(json.dumps(record))
    return tmp_path / "run"


def test_resume_and_branch_refuse_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = _foreign(tmp_path)
    with pytest.raises(StorageError, match="the key in MY_KEY would go to"):
        recorded_config(folder, (), trusted=True)
    recorded_config(folder, (f"engine.base_url={FAR}",), trusted=False)
    with pytest.raises(StorageError, match="the key in MY_KEY would go to"):
        prepare_branches(folder, [], Points("1"))


def test_a_point_of_a_sweep_that_was_not_begun_is_no_word_of_the_users(tmp_path: Path) -> None:
    overrides = ("engine=openai", f"engine.base_url={FAR}", "engine.api_key_env=MY_KEY", "engine.model=m")
    point = PointRecord(folder="a", config_hash="a", settings=(), overrides=overrides)
    write_points(tmp_path / "sweep", [point], overrides=overrides, config_dir=None, on_failure="continue")
    with pytest.raises(StorageError, match="the key in MY_KEY would go to"):
        resume_sweep(tmp_path / "sweep", lambda: pytest.fail("it went on"), retry_failed=False)


def test_a_plug_in_that_only_a_sweep_names_is_not_imported(tmp_path: Path) -> None:
    point = PointRecord(folder="a", config_hash="a", settings=(), overrides=("plugins=[evil]", "engine=dry"))
    write_points(tmp_path / "sweep", [point], overrides=(), config_dir=None, on_failure="continue")
    with pytest.raises(StorageError, match=r"plugins=\[evil\]: names code to run"):
        resume_sweep(tmp_path / "sweep", lambda: pytest.fail("it went on"), retry_failed=False)


def test_a_branch_runs_no_code_of_a_foreign_run(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "finished", tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    record = json.loads(file.read_text())
    record["config"]["therapist"]["model"]["trust_remote_code"] = True
    file.write_text(json.dumps(record))
    with pytest.raises(StorageError, match="add --trust-remote-code if you trust it"):
        prepare_branches(tmp_path / "run", [], Points("1"))
