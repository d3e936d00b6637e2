"""Configuration: every setting stands in a YAML file, roles inherit, and contradictions are refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from harness.config.address import address_mistake
from harness.config.compose import check, compose, load
from harness.config.contradictions import server_mistakes
from harness.config.overrides import changed
from harness.config.schema import EngineConfig, RunConfig
from harness.engines.pool import build
from harness.errors import ConfigError
from harness.paths import conf_dir
from harness.sweeps.expand import expand

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
        (["+made.up=1"], "command line: made: unknown setting"),
        (["max_exchanges=0"], "command line: max_exchanges: expected greater than 0, found 0"),
        (["concurrency=lots"], "command line: concurrency: expected 'auto' or a whole number, found 'lots'"),
        (["engine.latency_s=x"], "command line: engine.latency_s: expected a number, found 'x'"),
        (["model.sampling.top_p=2"], "command line: model.sampling.top_p: expected less than or equal to 1, found 2"),
        (["therapist=nobody"], "command line: therapist=nobody: no such choice; expected one of"),
        (["guard.loop=shout"], "command line: guard.loop: expected 'off', 'record', 'nudge', 'retry' or 'stop'"),
        (["seed"], "command line: 'seed' is not a setting"),
        (
            ["run.dir=/data/[x]"],
            "command line: 'run.dir=/data/[x]' is not a setting; expected KEY=VALUE (write a value",
        ),
        (["run.dir="], "command line: run.dir: expected a path, or null for none, found ''"),
        (["therapist.model.adapter="], "command line: therapist.model.adapter: expected a path, or null for none"),
    ],
)
def test_a_mistake_names_its_place_key_and_expectation(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides)
    assert [given.startswith(line) for given in caught.value.lines] == [True], caught.value.lines


@pytest.mark.parametrize("folder", ["/data/Zoë/a", "/data/実験", "/data/a=b", "/data/a#b&c!", "/data/a b~"])
def test_a_path_may_have_any_plain_characters(folder: str) -> None:
    assert load([f"run.dir={folder}"]).run.dir == Path(folder)
    point, _ = expand([f"run.dir={folder}", "seed=1,2"], None)
    assert point.config.run.dir == Path(folder)


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/zoe")
    assert load(["run.dir=~/runs/a"]).run.dir == Path("/home/zoe/runs/a")


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "mine.yaml").write_text("defaults: [truncate, _self_]\nlow_water: 3\n")
    with pytest.raises(ConfigError, match=r"context/mine\.yaml: context\.low_water: expected less than 1, found 3"):
        load(["context=mine"], tmp_path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("# @package _global_\nmax_exchange: 2", "max_exchange: unknown setting (did you mean max_exchanges?)"),
        ("# @package _global_\nrun: {name: no}", "run.name: expected text, found False"),
        (
            "# @package _global_\npatient: {max_new_tokens: 0}",
            "patient.max_new_tokens: expected greater than 0, found 0",
        ),
        ("# @package _global_\nseed: ${nope}", "Interpolation key 'nope' not found"),
        ("# @package _global_\nseed: 1\nseed: 2", "line 3: found duplicate key seed"),
        ("defaults: [gone]", "In 'experiment/mine': Could not load 'experiment/gone'."),
        ("max_exchanges: 2", "expected settings below a first line `# @package _global_`, with which they are"),
    ],
)
def test_a_mistake_in_an_experiment_names_its_file(content: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(content + "\n")
    with pytest.raises(ConfigError) as caught:
        load(["engine=dry", "experiment=mine"], tmp_path)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(f"{tmp_path / 'experiment' / 'mine.yaml'}: {line}")


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
        ("engine.outage_s=-1", "patient.engine.outage_s: expected greater than 0, found -1"),
        ("concurrency=", "concurrency: no value; expected 'auto' or a whole number"),
        ("trackers=x", "trackers: expected a list, found 'x'"),
        ("judge=default", "judge: expected keys and values, found 'default'"),
    ],
)
def test_a_setting_of_a_resumed_run_that_is_wrong_is_one_clear_line(override: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(load(["engine=dry"]).model_dump(mode="json"), [override])
    assert all(found.startswith("command line: ") for found in caught.value.lines)
    assert line in caught.value.lines[0]


def test_a_bad_value_from_the_environment_is_not_shown_of_a_resumed_run_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "hunter2")
    with pytest.raises(ConfigError) as caught:
        changed(load(["engine=dry"]).model_dump(mode="json"), ["concurrency=${oc.env:HIDDEN}"])
    assert caught.value.lines == (
        "command line: concurrency: expected 'auto' or a whole number, found '${oc.env:HIDDEN}'",
    )


def test_a_setting_of_a_resumed_run_is_that_of_both_roles_or_of_one() -> None:
    server = ["engine=openai", "engine.base_url=http://127.0.0.1:1/v1"]
    settings = load(server).model_dump(mode="json")
    config = changed(settings, ["engine.outage_s=9", "therapist.engine.outage_s=5", "concurrency=3", "run.name=x"])
    assert (config.patient.engine.outage_s, config.therapist.engine.outage_s) == (9, 5)
    assert (config.concurrency, config.run.name) == (3, "x")
    assert settings == load(server).model_dump(mode="json")


SERVER = ("engine=openai", "engine.base_url=http://127.0.0.1:1/v1")


def test_a_server_is_sent_only_what_was_asked_for() -> None:
    """The default preset is nobody's wish; a preset that was chosen is, and null is "not sent" everywhere."""
    plain = load([*SERVER]).patient.sampling.sampling()
    assert (plain.temperature, plain.top_p, plain.top_k, plain.min_p, plain.repetition_penalty) == (None,) * 5
    chosen = load([*SERVER, "model=llama-3.1-8b", "patient.sampling.top_p=null"])
    assert (chosen.patient.sampling.temperature, chosen.patient.sampling.top_p) == (0.6, None)
    assert (chosen.therapist.sampling.temperature, chosen.therapist.sampling.top_p) == (0.6, 0.9)
    assert load([*SERVER, "patient.sampling.temperature=0.3"]).patient.sampling.temperature == 0.3
    assert load([*SERVER, "model.sampling.temperature=0.3"]).therapist.sampling.temperature == 0.3
    own = load([*SERVER, "patient.model=qwen3-8b"])
    assert (own.patient.sampling.top_p, own.therapist.sampling.top_p) == (0.8, None)
    here = load(["engine=dry", "patient.sampling.temperature=null"])
    assert (here.patient.sampling.temperature, here.therapist.sampling.temperature) == (None, 0.7)


def test_parameters_of_the_users_own_go_to_a_server_but_for_those_of_the_harness() -> None:
    config = load([*SERVER, "engine.extra_body.reasoning_effort=low", "engine.extra_body.seed=null"])
    assert config.patient.engine.extra_body == {"reasoning_effort": "low", "seed": None}
    assert load([*SERVER, "engine.extra_body={a: {b: 1}}"]).therapist.engine.extra_body == {"a": {"b": 1}}
    for name in ("model", "messages", "max_tokens", "stream", "n"):
        (told,) = server_mistakes(EngineConfig(extra_body={name: 5}))
        assert told.startswith(f"engine.extra_body.{name}: the harness sets it itself")
    with pytest.raises(ConfigError, match=r"engine\.extra_body\.model: the harness sets it itself"):
        load([*SERVER, "engine.extra_body.model=5"])
    dry = config.patient.model_copy(update={"engine": EngineConfig(kind="dry", extra_body={"x": 1})})
    with pytest.raises(ConfigError, match=r"engine\.extra_body: the dry engine does not use it"):
        build(dry.engine, dry.model)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2-secret@host/v1",
        "http://sk-hunter2-secret@host/v1",
        "https://host/v1?api_key=hunter2-secret",
        "https://host/v1?Ocp-Apim-Subscription-Key=hunter2-secret",
        "https://host/v1?a=b&access_token=hunter2-secret",
        "https://host/v1?code=hunter2-secret-of-more-letters",
        "ftp://me:hunter2-secret@host/v1",
        "http://[::1/hunter2-secret",
        "http://host:99999/hunter2-secret",
    ],
)
def test_an_address_that_may_hold_a_credential_is_refused_and_not_repeated(url: str) -> None:
    told = address_mistake(url)
    assert told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "url", ["https://host/openai/v1?api-version=2024-10-21", "http://[::1]:8000/v1", "http://häuser.de/v1"]
)
def test_an_address_without_a_credential_is_taken(url: str) -> None:
    assert address_mistake(url) is None


def test_a_refused_address_is_nowhere_repeated() -> None:
    """Quoted, unquoted (which is no setting) and on resume."""
    url = "https://host/v1?api_key=hunter2-secret"
    for override in (f'engine.base_url="{url}"', f"engine.base_url={url}"):
        with pytest.raises(ConfigError) as caught:
            load(["engine=openai", override])
        assert "hunter2" not in str(caught.value)
    config = load([*SERVER]).model_dump(mode="json")
    with pytest.raises(
        ConfigError, match=r"engine\.base_url: its query may hold a key \(api_key=\.\.\.\)"
    ) as changed_to:
        changed(config, [f"engine.base_url={url}"])
    assert "hunter2" not in str(changed_to.value)


@pytest.mark.parametrize(
    "override", ["concurrency=1000000000", "max_exchanges=99999999999", "seed=36893488147419103232"]
)
def test_numbers_have_upper_bounds(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        load([override])
