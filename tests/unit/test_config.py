"""Configuration: every setting stands in a YAML file, roles inherit, and contradictions are refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from harness.config.compose import check, compose, load
from harness.config.overrides import changed
from harness.config.schema import RunConfig
from harness.errors import ConfigError
from harness.paths import conf_dir

COMPUTED = {"engine.chosen_by_auto"}
"""Set by the harness, not by users."""


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def _has(tree: Mapping[str, Any], key: str) -> bool:
    node: object = tree
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def test_every_setting_stands_in_a_file_so_that_it_can_be_overridden() -> None:
    tree = compose([]).tree
    missing = [key for key in _fields(RunConfig) if not _has(tree, key) and key.partition(".")[2] not in COMPUTED]
    assert missing == []


def test_roles_inherit_what_they_do_not_set() -> None:
    config = load(
        [
            "engine=dry",
            "engine.max_model_len=4096",
            "patient.engine=openai",
            "patient.engine.base_url=http://127.0.0.1:1/v1",
            "therapist.model=qwen3-8b",
            "patient.sampling.temperature=0.1",
        ]
    )
    assert (config.therapist.engine.kind, config.patient.engine.kind) == ("dry", "openai")
    assert config.patient.engine.max_model_len == config.therapist.engine.max_model_len == 4096
    assert config.therapist.model.path == "Qwen/Qwen3-8B"
    assert config.patient.model.path == "smollm2-135m"
    assert (config.patient.sampling.temperature, config.therapist.sampling.top_k) == (0.1, 20)


def test_auto_is_resolved_and_recorded() -> None:
    engine = load([]).therapist.engine
    assert engine.kind in ("vllm", "transformers")
    assert engine.chosen_by_auto
    assert not load(["engine=dry"]).therapist.engine.chosen_by_auto


def test_free_keys_need_no_plus() -> None:
    config = load(["engine=vllm", "engine.args.gpu_memory_utilization=0.5", "therapist.engine.args.seed=1"])
    assert config.patient.engine.args == {"gpu_memory_utilization": 0.5}
    assert config.therapist.engine.args["seed"] == 1


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["engine.max_model_len=100", "therapist.max_new_tokens=100"], "therapist.max_new_tokens: 100 leaves no room"),
        (["patient.model=remote", "engine=dry"], "patient.model: a stand-in for the model of a server, but engine=dry"),
        (["model=llama-3.2-3b", "engine.max_model_len=99999"], "engine.max_model_len: 99999 is more than"),
        (["engine=dry", "engine.base_url=http://127.0.0.1:1"], "engine.base_url: set, but engine=dry uses no server"),
        (["engine=openai"], "engine.base_url: no value"),
        (["patient=replay"], "patient.transcript: no value"),
        (["patient=replay", "patient.transcript=x.txt", "course.sessions=2"], "course.sessions: 2, but patient=replay"),
        (["patient.transcript=x.txt"], "patient.transcript: set, but patient=simulated"),
    ],
)
def test_contradictions_are_refused(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides)
    assert any(given.startswith(line) for given in caught.value.lines), caught.value.lines


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["max_exchange=1"], "command line: max_exchange: unknown setting (did you mean max_exchanges?)"),
        (["+made.up=1"], "conf/config.yaml: made: unknown setting"),
        (["max_exchanges=0"], "command line: max_exchanges: expected greater than 0, found 0"),
        (["concurrency=lots"], "command line: concurrency: expected 'auto' or a whole number, found 'lots'"),
        (["engine.latency_s=x"], "command line: engine.latency_s: expected a number, found 'x'"),
        (["model.sampling.top_p=2"], "command line: model.sampling.top_p: expected less than or equal to 1, found 2"),
        (["therapist=nobody"], "command line: therapist=nobody: no such choice; expected one of"),
        (["guard.loop=shout"], "command line: guard.loop: expected 'off', 'record', 'nudge', 'retry' or 'stop'"),
        (["seed"], "command line: 'seed' is not a setting"),
    ],
)
def test_a_mistake_names_its_place_key_and_expectation(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides)
    assert [given.startswith(line) for given in caught.value.lines] == [True], caught.value.lines


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "mine.yaml").write_text("defaults: [truncate, _self_]\nlow_water: 3\n")
    with pytest.raises(ConfigError, match=r"context/mine\.yaml: context\.low_water: expected less than 1, found 3"):
        load(["context=mine"], tmp_path)


def test_the_users_file_replaces_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    packaged = (conf_dir() / "context" / "truncate.yaml").read_text()
    (tmp_path / "context" / "truncate.yaml").write_text(packaged.replace("0.6", "0.5"))
    assert load([], tmp_path).context.low_water == 0.5
    assert load([]).context.low_water == 0.6


def test_sampled_personas_replace_the_default_and_join_those_that_are_named() -> None:
    assert load([]).personas == ("skeptical-bullied-overwhelmed",)
    alone = load(["personas.sample=10"])
    assert (alone.personas, alone.sample, alone.sample_seed) == ((), 10, None)
    both = load(["personas.sample=2", "personas.sample_seed=7", "personas=two-cups"])
    assert (both.personas, both.sample, both.sample_seed) == (("two-cups",), 2, 7)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["personas=[]"], "personas: an empty list; expected at least one id, all, or personas.sample=N"),
        (["personas.sample=many"], "command line: personas.sample: expected a whole number, found 'many'"),
        (["personas.sample=-1"], "command line: personas.sample: expected greater than or equal to 0, found -1"),
    ],
)
def test_a_mistake_about_personas_is_named_as_it_was_written(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides)
    assert caught.value.lines == (line,)


def test_a_prompt_is_found_in_the_config_folder_the_package_and_the_working_directory_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, here = tmp_path / "own", tmp_path / "here"
    for folder, names in ((own, ("act.jinja", "mine.jinja")), (here, ("act.jinja", "mine.jinja", "other.jinja"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("Listen.")
    monkeypatch.chdir(here)
    assert load(["therapist.prompt=mine.jinja"], own).therapist.prompt == str(own / "mine.jinja")
    assert load(["therapist.prompt=other.jinja"], own).therapist.prompt == str(here / "other.jinja")
    assert load([], own).therapist.prompt == str(own / "act.jinja")
    assert load([]).therapist.prompt == "act.jinja"
    assert load(["patient.prompt=../own/mine.jinja"]).patient.prompt == str(own / "mine.jinja")
    assert load(["therapist.prompt=nowhere.jinja"]).therapist.prompt == "nowhere.jinja"


def test_a_config_survives_its_own_json() -> None:
    config = check(compose(["engine=dry", "therapist.sampling.stop=[a,b]"]))
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("concurrency", "'concurrency' is not a setting; expected KEY=VALUE"),
        ("sead=4", "sead: not a setting of this run (did you mean seed?)"),
        ("therapist=act", "therapist: not a setting of this run"),
        ("engine.latency=1", "engine.latency: not a setting of this run (did you mean patient.engine.latency_s?)"),
        ("concurrency=none", "concurrency"),
        ("engine.outage_s=-1", "patient.engine.outage_s: Input should be greater than 0, found -1"),
    ],
)
def test_a_setting_of_a_resumed_run_that_is_wrong_is_one_clear_line(override: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(load(["engine=dry"]).model_dump(mode="json"), [override])
    assert all(found.startswith("command line: ") for found in caught.value.lines)
    assert line in caught.value.lines[0]


def test_a_setting_of_a_resumed_run_is_that_of_both_roles_or_of_one() -> None:
    server = ["engine=openai", "engine.base_url=http://127.0.0.1:1/v1"]
    settings = load(server).model_dump(mode="json")
    config = changed(settings, ["engine.outage_s=9", "therapist.engine.outage_s=5", "concurrency=3", "run.name=x"])
    assert (config.patient.engine.outage_s, config.therapist.engine.outage_s) == (9, 5)
    assert (config.concurrency, config.run.name) == (3, "x")
    assert settings == load(server).model_dump(mode="json")
