"""A run is told apart by the content of what it names, not by names."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.agents import cues
from harness.config.compose import load
from harness.config.recorded import read_config, refuse_code
from harness.errors import ConfigError, StorageError
from harness.models import located as located_module
from harness.models.located import commit_of, located
from harness.runs import content
from harness.runs.prepare import experiment, prepare, reopen
from harness.runs.resources import SharedResources
from harness.store.archive import Archive
from harness.store.identity import binding, config_hash
from harness.store.records import read_record
from harness.sweeps.expand import expand, with_content
from harness.types import Speaker
from tests.e2e.test_old_run_folders import FIXTURE

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small tokenizer, personas, a prompt of the user's with a part, a template and a transcript."""
    shutil.copytree(FIXTURE / "tokenizer", tmp_path / "tokenizer")
    shutil.copytree(FIXTURE / "personas", tmp_path / "personas")
    (tmp_path / "mine.jinja").write_text("You are VERSION ONE. {% include 'part.jinja' %}")
    (tmp_path / "part.jinja").write_text("Be kind.")
    shutil.copy(FIXTURE / "tokenizer" / "chat_template.jinja", tmp_path / "chat.jinja")
    (tmp_path / "said.txt").write_text("Patient: I can't sleep.\n\nTherapist: Since when?\n")
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"r": 8}')
    (tmp_path / "lora" / "adapter_model.safetensors").write_text("weights")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(place: Path, *more: str) -> list[str]:
    words = ["engine=dry", "model.path=tokenizer", "persona_dir=personas", "personas=[neighbour]"]
    return [*words, f"therapist.prompt={place / 'mine.jinja'}", *more]


def edit(name: str, text: str = " ") -> Callable[[Path], None]:
    def change(place: Path) -> None:
        (place / name).write_text((place / name).read_text() + text)

    return change


EDITS = {
    "mine.jinja": ("therapist.prompt", ()),
    "part.jinja": ("therapist.prompt", ()),
    "tokenizer/config.json": ("therapist.model", ()),
    "chat.jinja": ("therapist.model.chat_template", ("model.chat_template=chat.jinja",)),
    "said.txt": ("patient.transcript", ("patient=replay", "patient.transcript=said.txt")),
    "lora/adapter_config.json": ("therapist.model.adapter", ("therapist.model.adapter=lora",)),
    "lora/adapter_model.safetensors": ("therapist.model.adapter", ("therapist.model.adapter=lora",)),
    "personas/neighbour.yaml": ("persona neighbour", ()),
}


@pytest.mark.parametrize("name", EDITS)
def test_every_file_that_is_named_counts_by_content(name: str, place: Path) -> None:
    key, more = EDITS[name]
    config = load(settings(place, *more))
    digest, contents = experiment(config, SharedResources())
    assert experiment(config, SharedResources()) == (digest, contents)
    change = edit(name) if not key.startswith("persona") else _another_age
    change(place)
    other, now = experiment(config, SharedResources())
    assert other != digest
    changed = {k for k in contents if contents[k] != now[k]}
    assert all(k.endswith(key.partition(".")[2]) for k in changed)
    assert bool(changed) is not key.startswith("persona")


def _another_age(place: Path) -> None:
    file = place / "personas" / "neighbour.yaml"
    file.write_text(file.read_text().replace("age: 79", "age: 78"))


def test_a_run_does_not_go_on_with_other_files_and_says_which(place: Path) -> None:
    opened = prepare(load(settings(place, "run.dir=run")), SharedResources()).open()
    opened.folder.close()
    record = read_record(place / "run")
    data = {"data.hearing", "data.english", "data.directions.en"}
    data |= {f"data.cues.{code}" for code in cues.languages()}
    assert record.content_hashes.keys() == {"therapist.prompt", "patient.prompt", "template.opening", *data} | {
        f"{speaker}.model" for speaker in Speaker
    }
    assert record.config_hash == opened.spec.config_hash
    reopen(place / "run", SharedResources(), retry_failed=False)
    edit("part.jinja")(place)
    with pytest.raises(StorageError, match=r"content of therapist\.prompt: \w{12} -> \w{12}"):
        reopen(place / "run", SharedResources(), retry_failed=False)


def test_a_run_from_before_the_harness_hashed_its_own_data_goes_on(place: Path) -> None:
    prepare(load(settings(place, "run.dir=run")), SharedResources()).open().folder.close()
    file = place / "run" / "run.json"
    record = json.loads(file.read_text())
    known = {key: digest for key, digest in record["content_hashes"].items() if not key.startswith("data.")}
    file.write_text(json.dumps({**record, "content_hashes": known}))
    reopen(place / "run", SharedResources(), retry_failed=False)
    file.write_text(json.dumps({**record, "content_hashes": {**record["content_hashes"], "data.cues.en": "0" * 64}}))
    with pytest.raises(StorageError, match=r"content of data\.cues\.en: 0{12} -> "):
        reopen(place / "run", SharedResources(), retry_failed=False)


def test_points_of_a_sweep_are_named_by_content(place: Path) -> None:
    points = with_content(expand(settings(place, "seed=0,1"), None))
    assert [point.folder for point in points] == [point.config_hash[:12] for point in points]
    edit("mine.jinja")(place)
    again = with_content(expand(settings(place, "seed=0,1"), None))
    assert not {point.folder for point in points} & {point.folder for point in again}


def test_a_point_whose_model_is_not_there_leaves_the_others_alone(place: Path) -> None:
    points = with_content(expand(settings(place, "therapist.model.path=tokenizer,./nowhere"), None))
    assert [point.content_hashes is None for point in points] == [False, True]


def test_a_hub_id_is_its_commit_and_stays_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As fetched last, where the hub can't be reached."""
    cache = place / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    snapshot = cache / "models--org--name" / "snapshots" / COMMIT
    shutil.copytree(FIXTURE / "tokenizer", snapshot)
    (cache / "models--org--name" / "refs").mkdir()
    (cache / "models--org--name" / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _snapshots(cache))
    commit_of.cache_clear()
    role = load(["engine=dry", "model.path=org/name"]).therapist
    assert located(Speaker.THERAPIST, role).model.revision == COMMIT
    moved = "f" * 40
    assert located(Speaker.THERAPIST, role, {"therapist.model": f"commit:{moved}"}).model.revision == moved
    commit_of.cache_clear()


def _snapshots(cache: Path) -> Callable[..., str]:
    from huggingface_hub import snapshot_download

    def of_cache(repo: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        return snapshot_download(
            repo, revision=revision, allow_patterns=allow_patterns, cache_dir=cache, local_files_only=True
        )

    return of_cache


def test_a_hub_id_that_nobody_knows_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    commit_of.cache_clear()
    assert commit_of("org/name", "main") is None
    assert commit_of("org/name", COMMIT) == COMMIT
    commit_of.cache_clear()
    assert located_module.COMMIT.fullmatch(COMMIT)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("model.trust_remote_code", True),
        ("engine.args", {"trust_remote_code": True}),
        ("engine.args", {"hf_overrides": {"trust_remote_code": True}}),
        ("engine.args", {"worker_cls": "evil.Worker"}),
        ("engine.args", {"speculative_config": [{"logits_processors": ["evil"]}]}),
        ("engine.args", {"kv_transfer_config": {"kv_connector_module_path": "evil"}}),
    ],
)
def test_code_in_a_run_folder_needs_a_word_on_the_command_line(setting: str, value: object, tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "finished", tmp_path / "run")
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    group, key = setting.split(".")
    content["config"]["therapist"][group][key] = value
    (tmp_path / "run" / "run.json").write_text(json.dumps(content))
    with pytest.raises(StorageError, match=r"therapist\..*: set, so code .* add --trust-remote-code if you trust it"):
        reopen(tmp_path / "run", SharedResources(), retry_failed=False)
    archive = Archive(tmp_path / "run")
    with pytest.raises(StorageError, match="--trust-remote-code"):
        archive.prompt(archive.session("neighbour-000"), 1)
    refuse_code(archive.config, tmp_path, trusted=True)


def test_settings_that_are_newer_than_a_run_have_their_default_and_unknown_ones_keep_no_reader_out() -> None:
    old = json.loads((FIXTURE / "finished" / "run.json").read_text())["config"]
    del old["guard"]["nudge_pause"]
    old["therapist"]["engine"]["telepathy"] = True
    old["new"] = {"a": 1}
    config, unknown = read_config(old, Path("run"))
    assert config.guard.nudge_pause == 1
    assert sorted(unknown) == ["new", "therapist.engine.telepathy"]
    with pytest.raises(StorageError, match=r"run\.json: config\.max_exchanges: "):
        read_config({**old, "max_exchanges": "many"}, Path("run"))


@pytest.mark.parametrize("prompt", ["/etc", "/dev/zero", "/nowhere/x.jinja"])
def test_a_prompt_that_is_no_template_is_refused_at_once(prompt: str, place: Path) -> None:
    with pytest.raises(ConfigError, match=r"prompt: .*expected|prompt: no template"):
        prepare(load(settings(place, f"therapist.prompt={prompt}")), SharedResources())


def test_where_a_server_is_and_how_much_memory_it_takes_is_no_other_experiment() -> None:
    def hashed(*more: str) -> str:
        return config_hash(load([*more]).model_dump(mode="json"))

    url = "engine.base_url=http://127.0.0.1:{}/v1"
    assert hashed("engine=openai", url.format(1)) == hashed("engine=openai", url.format(2))
    assert hashed("engine=vllm") == hashed("engine=vllm", "engine.args.gpu_memory_utilization=0.5")
    assert hashed("engine=vllm") != hashed("engine=vllm", "engine.args.kv_cache_dtype=fp8")
    assert "personas" in binding(load(["engine=dry"]).model_dump(mode="json"))


@pytest.mark.parametrize(
    "more",
    [
        ("model.chat_template=/dev/zero",),
        ("patient=replay", "patient.transcript=/dev/zero"),
        ("model.chat_template=/etc",),
    ],
)
def test_files_without_end_are_refused_at_once(more: tuple[str, ...], place: Path) -> None:
    with pytest.raises(ConfigError, match=f"{more[-1].partition('=')[2]}.*expect"):
        prepare(load(settings(place, *more)), SharedResources())


def test_what_a_prompt_includes_of_ours_is_hashed_until_a_file_beside_it_takes_its_place(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text('Begin. {% include "therapist_frame.jinja" %}')
    first = content._template(str(mine), "therapist.prompt")
    (tmp_path / "therapist_frame.jinja").write_text("My own frame.")
    assert content._template(str(mine), "therapist.prompt") != first
