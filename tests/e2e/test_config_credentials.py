"""What looks like a credential, what only sounds like one, and what a config keeps of values from the environment."""

import pickle
from pathlib import Path

import pytest

from harness.config.compose import load
from harness.config.credentials import masked, mistakes, named_like_one, without
from harness.config.judging import load as load_judging
from harness.config.schema import RunConfig
from harness.errors import ConfigError
from harness.runs.judging import judge_of

NAME, VALUE = "HARNESS_TEST_VALUE", "value-7041776"


@pytest.mark.parametrize(
    "name", ["api_key", "X-Api-Key", "apiKey", "hf_token", "HF_TOKEN", "password", "db.password", "MY_SECRET"]
)
def test_names_of_credentials(name: str) -> None:
    assert named_like_one(name)


@pytest.mark.parametrize(
    "name", ["max_new_tokens", "note_tokens", "eos_token", "tokenizer", "api_key_env", "key_order", "author"]
)
def test_names_that_only_sound_like_them(name: str) -> None:
    assert not named_like_one(name)


def test_nothing_that_comes_with_the_harness_looks_like_a_credential() -> None:
    for overrides in ([], ["engine=vllm"], ["model=qwen3-8b"], ["therapist=cbt"], ["context=hybrid"]):
        assert mistakes(load(overrides).model_dump(mode="json")) == {}


def test_a_message_leaves_credentials_out() -> None:
    assert masked("engine.args.hf_token=abc") == "engine.args.hf_token=..."
    assert masked("engine.base_url=http://u:p@h/v1") == "engine.base_url=..."
    assert masked("max_exchanges=3") == "max_exchanges=3"


def test_an_older_runs_config_is_shown_without_its_credentials() -> None:
    old = {"therapist": {"engine": {"args": {"hf_token": "abc", "x": 1}, "base_url": "http://u:p@h/v1"}, "name": "act"}}
    engine = {"args": {"hf_token": "...", "x": 1}, "base_url": "..."}
    assert without(old) == {"therapist": {"engine": engine, "name": "act"}}


def test_text_from_the_environment_is_in_force_and_kept_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, VALUE)
    reference = f"${{oc.env:{NAME}}}"
    config = load(
        ["engine=vllm", f"engine.args.x={reference}", f"therapist.name=a-{reference}-b", f"run.dir=/x/{reference}"]
    )
    assert config.therapist.engine.args == {"x": VALUE}
    assert (config.therapist.name, str(config.run.dir)) == (f"a-{VALUE}-b", f"/x/{VALUE}")
    for dump in (config.model_dump(mode="json"), pickle.loads(pickle.dumps(config)).model_dump(mode="json")):
        assert VALUE not in str(dump)
        assert dump["therapist"]["engine"]["args"] == {"x": reference}
        assert dump["therapist"]["name"] == f"a-{reference}-b"
        assert dump["run"]["dir"] == f"/x/{reference}"
    again = RunConfig.model_validate(config.model_dump(mode="json"))
    assert again.therapist.engine.args == {"x": VALUE}
    monkeypatch.delenv(NAME)
    with pytest.raises(ConfigError, match=f"the environment variable {NAME} is not set"):
        RunConfig.model_validate(config.model_dump(mode="json"))


def test_numbers_and_choices_from_the_environment_are_recorded_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that differ in them are different runs."""
    monkeypatch.setenv(NAME, "7")
    monkeypatch.setenv("HARNESS_TEST_POLICY", "hybrid")
    config = load([f"seed=${{oc.env:{NAME}}}", "context.policy=${oc.env:HARNESS_TEST_POLICY}"])
    dump = config.model_dump(mode="json")
    assert (config.seed, dump["seed"], dump["context"]["policy"]) == (7, 7, "hybrid")
    assert load([f"max_exchanges='${{oc.decode:${{oc.env:{NAME}}}}}'"]).max_exchanges == 7


def test_a_bad_value_from_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, VALUE)
    with pytest.raises(ConfigError) as caught:
        load([f"max_exchanges=${{oc.env:{NAME}}}"])
    assert caught.value.lines == (f"command line: max_exchanges: expected a whole number, found '${{oc.env:{NAME}}}'",)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("therapist=act,cbt", "command line: therapist=act,cbt: several values make a sweep, which needs -m"),
        (
            "personas=a,b",
            "command line: personas=a,b: several values make a sweep, which needs -m; for a list write personas=[a,b]",
        ),
        ("seed=range(1,3)", "command line: seed=range(1,3): several values make a sweep, which needs -m"),
        ("therapist.sampling=5", "command line: therapist.sampling: expected keys and values, found 5"),
        ("engine.base_url=gopher://x", "engine.base_url: found 'gopher://x', expected an address"),
        ("seed=99999999999999999999", "command line: seed: expected a number of at most 64 bits"),
        (
            "concurrency=1000000000",
            "command line: concurrency: expected 'auto' or less than or equal to 100000, found 1000000000",
        ),
        ("therapist=null", "command line: therapist=null: no such choice; expected one of act,"),
    ],
)
def test_what_was_meant_is_told(override: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(["engine=openai" if "base_url" in override else "engine=dry", override])
    assert any(found.startswith(line) for found in caught.value.lines), caught.value.lines


def test_a_value_may_hold_an_equals_sign() -> None:
    assert str(load(["run.dir=/data/a=b/c=d"]).run.dir) == "/data/a=b/c=d"


def test_a_key_is_never_offered_for_itself() -> None:
    with pytest.raises(ConfigError) as caught:
        load(["+patient.engine.made_up.x=1"])
    (line,) = caught.value.lines
    assert line.startswith("command line: patient.engine.made_up: unknown setting")
    assert "mean patient.engine.made_up" not in line


def test_the_judge_command_uses_the_environment_as_a_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("HARNESS_TEST_REPEATS", "3")
    config = load_judging(
        ["judge.engine=openai", f"judge.engine.base_url=${{oc.env:{NAME}}}", "repeats=${oc.env:HARNESS_TEST_REPEATS}"]
    )
    assert (config.judge.engine.base_url, config.repeats) == ("http://127.0.0.1:8000/v1", 3)
    dump = config.model_dump(mode="json")
    assert (dump["judge"]["engine"]["base_url"], dump["repeats"]) == (f"${{oc.env:{NAME}}}", 3)


def test_the_judge_command_takes_no_credential_from_a_file_either(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "mine.yaml").write_text(f"defaults: [openai, _self_]\nextra_body: {{api_key: {'k' * 40}}}\n")
    words = ["judge.engine=mine", "judge.engine.base_url=http://127.0.0.1:1/v1"]
    with pytest.raises(ConfigError, match=r"judge\.engine\.extra_body\.api_key: looks like a credential") as caught:
        load_judging(words, tmp_path)
    assert "k" * 40 not in str(caught.value)


def test_a_judge_of_a_run_may_have_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "sk-" + "k" * 40)
    option = f"judge.engine.extra_body.api_key=${{oc.env:{NAME}}}"
    server = ["judge=default", "judge.engine=openai", "judge.engine.base_url=http://127.0.0.1:1/v1", option]
    prepared = judge_of(load(["engine=dry", "judge.engine.model=m", *server]))
    assert prepared.config.judge.engine.extra_body == {"api_key": "sk-" + "k" * 40}
