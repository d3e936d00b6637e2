"""Nothing given is ignored: what would have no effect is refused, in a run, in a sweep and where a run goes on."""

from pathlib import Path

import pytest

from harness.config.compose import load, load_run
from harness.config.overrides import changed
from harness.errors import ConfigError
from harness.sweeps.expand import expand

SERVER = ("engine=openai", "engine.base_url=http://127.0.0.1:1/v1")
REPLAY = ("patient=replay", "patient.transcript=x.txt")


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["guard=off", "guard.loop=stop"], "guard.loop"),
        (["guard.enabled=false", "guard.window=8"], "guard.window"),
        (["guard.echo=off", "guard.echo_share=0.9"], "guard.echo_share"),
        (["guard.loop=off", "guard.stuck=off", "guard.similarity=0.9"], "guard.similarity"),
        (["guard.loop_turns=9"], "guard.loop_turns"),
        (["personas.sample_seed=3"], "personas.sample_seed"),
        (["personas=[]", "personas.sample=2", "persona_dir=mine"], "persona_dir"),
        (["course.note=digest"], "course.note"),
        (["course.note_tokens=99"], "course.note_tokens"),
        (["context.note_tokens=99"], "context.note_tokens"),
        (["context=none", "context.low_water=0.5"], "context.low_water"),
        (["context.summarizer=patient"], "context.summarizer"),
        (["patient.session=x"], "patient.session"),
        ([*REPLAY, "patient.max_new_tokens=9"], "patient.max_new_tokens"),
        ([*REPLAY, "patient.sampling.temperature=0.1"], "patient.sampling.temperature"),
        ([*REPLAY, "patient.engine=dry"], "patient.engine"),
        ([*REPLAY, "patient.model=llama-3.2-3b"], "patient.model"),
        (["engine=dry", "engine.request_timeout_s=9"], "engine.request_timeout_s"),
        (["engine=transformers", "engine.max_restarts=9"], "engine.max_restarts"),
        (["engine=vllm", "engine.max_batch=9"], "engine.max_batch"),
        (["engine=vllm", "engine.latency_s=9"], "engine.latency_s"),
        (["engine=transformers", "therapist.engine.args.seed=9"], "therapist.engine.args.seed"),
        ([*SERVER, "model.dtype=float16"], "model.dtype"),
        (["engine=vllm", "model.revision=main"], "model.revision"),
        (["engine=vllm", "therapist.sampling.temperature=0", "therapist.sampling.top_k=9"], "therapist.sampling.top_k"),
        (["on_failure=2"], "on_failure"),
        (["hydra.sweep.dir=x"], "hydra.sweep.dir"),
        (["hydra.run.dir=x"], "hydra.run.dir"),
        (["hydra/launcher=basic"], "hydra/launcher"),
        (["experiment=temperature"], "experiment=temperature"),
        (["executor.replicas=2"], "executor.replicas"),
        (["~guard"], "~guard"),
    ],
)
def test_what_would_have_no_effect_is_refused_by_its_key(overrides: list[str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_run(overrides)
    assert len(caught.value.lines) == 1
    assert key in caught.value.lines[0].split(": ", 2)[0] + ": " + caught.value.lines[0].split(": ", 2)[1]


@pytest.mark.parametrize(
    "overrides",
    [
        ["guard.loop=stop", "guard.window=8"],
        ["guard=off", "guard.loop=retry"],
        ["personas.sample=2", "personas.sample_seed=3"],
        ["course.sessions=2", "context.summarizer=patient"],
        [
            "course.sessions=2",
            "course.note=digest",
            "course.note_tokens=64",
            "context=hybrid",
            "context.note_tokens=99",
        ],
        [*SERVER, "engine.request_timeout_s=9", "engine.outage_s=9", "engine.model=m"],
        ["engine=dry", "therapist.engine=openai", "therapist.engine.base_url=http://127.0.0.1:1/v1"],
        ["engine=dry", "engine.latency_s=0.1", "therapist.sampling.top_p=0.5", "model.dtype=float16"],
        ["engine=vllm", "engine.args.gpu_memory_utilization=0.5", "model=llama-3.2-3b", "model.revision=main"],
        [*REPLAY, "therapist.sampling.temperature=0.1"],
        ["experiment=smoke"],
        ["guard=off", "~guard.enabled"],
    ],
)
def test_what_has_an_effect_is_taken(overrides: list[str]) -> None:
    load_run(["context.note_tokens=256", *overrides])


def test_a_deletion_without_which_the_config_is_refused_is_not_in_vain(tmp_path: Path) -> None:
    (tmp_path / "therapist").mkdir()
    (tmp_path / "therapist" / "mine.yaml").write_text("defaults: [act]\nolder_setting: 3\n")
    assert load_run(["therapist=mine", "~therapist.older_setting"], tmp_path).therapist.name == "act"


def test_a_deletion_in_vain_is_refused_in_a_sweep_too() -> None:
    with pytest.raises(ConfigError, match="~guard: set, but without it the same defaults apply"):
        expand(["~guard", "seed=1,2"], None)


def test_in_a_grid_a_setting_may_be_for_some_points_only() -> None:
    assert len(expand(["engine=dry", "context=truncate,summarize", "context.note_tokens=128"], None)) == 2
    with pytest.raises(ConfigError, match=r"context\.note_tokens: set, but context=truncate writes no note"):
        expand(["engine=dry", "context=truncate,none", "context.note_tokens=128"], None)
    with pytest.raises(ConfigError, match=r"personas\.sample_seed: set, but no personas are sampled"):
        expand(["engine=dry", "personas.sample_seed=0,1"], None)


@pytest.mark.parametrize("given", ["hydra.sweep.dir=there", "run.dir=there"])
def test_both_names_of_a_sweeps_folder_mean_it(given: str) -> None:
    assert [point.config.run.dir for point in expand(["engine=dry", "seed=0,1", given], None)] == [Path("there")] * 2


def test_a_sweeps_folder_may_stand_in_a_config_file(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nhydra:\n  sweep:\n    dir: it's here\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    points = expand(["engine=dry", "experiment=mine", "seed=0,1"], tmp_path)
    assert {point.config.run.dir for point in points} == {Path("it's here")}
    points = expand(["engine=dry", "experiment=mine", "run.dir=there"], tmp_path)
    assert {point.config.run.dir for point in points} == {Path("there")}


@pytest.mark.parametrize("key", ["hydra.sweep.subdir", "hydra.run.dir", "hydra.output_subdir", "hydra.verbose"])
def test_what_hydra_has_and_a_sweep_does_not_use_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key}: set, but a sweep of the harness does not use it"):
        expand(["engine=dry", "seed=0,1", f"{key}=x"], None)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("run.dir=elsewhere", "a run is resumed in its own folder"),
        ("on_failure=2", "a single run has no others"),
        ("engine.outage_s=9", "engine=dry does not use it"),
        ("concurrency=[1", "is not a value"),
        ("guard.loop_turns=9", "found 9, expected at most guard.window"),
    ],
)
def test_a_resumed_run_takes_nothing_that_has_no_effect(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        changed(load(["engine=dry"]).model_dump(mode="json"), [override])


def test_a_resumed_run_may_find_its_server_elsewhere_and_take_less_memory() -> None:
    config = changed(load([*SERVER]).model_dump(mode="json"), ["engine.base_url=http://127.0.0.1:2/v1"])
    assert config.therapist.engine.base_url == "http://127.0.0.1:2/v1"
    config = changed(
        load(["engine=vllm"]).model_dump(mode="json"),
        ["engine.args.gpu_memory_utilization=0.5", "engine.args.max_num_seqs=8"],
    )
    assert config.patient.engine.args == {"gpu_memory_utilization": 0.5, "max_num_seqs": 8}


@pytest.mark.parametrize(
    "override",
    ["concurrency=1000000000000", "seed=9223372036854775808", "max_exchanges=1e30", "personas.sample=9999999"],
)
def test_numbers_without_bounds_are_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        load([override])
