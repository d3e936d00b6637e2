"""What vLLM is started with, and on which of its versions; without vLLM."""

from datetime import UTC, datetime

import pytest

from harness.config.compose import load
from harness.engines.base import EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.vllm.batching import MOST_SEQUENCES, choose
from harness.engines.vllm.versions import ANY, check, supported
from harness.errors import ConfigError
from harness.runs.engines import in_flight
from harness.runs.prepare import RunSpec
from harness.runs.resources import SharedResources

H100_SERVER, H100_OFFLINE = (1024, 8192), (1024, 16384)
SMALL_SERVER, SMALL_OFFLINE = (128, 2048), (256, 4096)


@pytest.mark.parametrize("sessions", [None, 1, 256, 1000, 100_000])
def test_the_limits_are_never_below_those_of_vllms_server(sessions: int | None) -> None:
    for server, offline in ((H100_SERVER, H100_OFFLINE), (SMALL_SERVER, SMALL_OFFLINE)):
        chosen = choose(server, offline, 4096, sessions)
        assert chosen.max_num_seqs >= server[0]
        assert chosen.max_num_batched_tokens >= server[1]


def test_as_many_sequences_as_sessions_up_to_a_bound() -> None:
    assert choose(SMALL_SERVER, SMALL_OFFLINE, 2048, 700).max_num_seqs == 700
    assert choose(SMALL_SERVER, SMALL_OFFLINE, 2048, 10**6).max_num_seqs == MOST_SEQUENCES


def test_all_sessions_that_can_be_in_flight_are_counted() -> None:
    """Of a course, one at a time; of branches, their own number; of several runs, the largest limit, as they are played."""

    def spec(*overrides: str, branches: int | None = None) -> RunSpec:
        config = load(["engine=dry", "personas=[two-cups]", *overrides])
        personas = SharedResources().personas(config)
        return RunSpec(config, datetime.now(UTC), personas, {}, {}, None, {}, branches=branches)

    assert in_flight([spec("sessions_per_persona=7", "course.sessions=3")]) == 7
    assert in_flight([spec(branches=700)]) == 700
    assert in_flight([spec(branches=700), spec("concurrency=4"), spec("concurrency=300")]) == 300


def test_a_step_holds_one_prompt_of_the_whole_window() -> None:
    assert choose(SMALL_SERVER, SMALL_OFFLINE, 9000, 10).max_num_batched_tokens == 9000


def test_a_data_parallel_cache_is_counted_rank_by_rank() -> None:
    """1,000 tokens on each of four ranks hold four times two sessions of 500, and not eight of one cache."""
    one = EngineInfo("vllm", "m", 4096, kv_cache_tokens=1000, cache_block_tokens=16)
    four = EngineInfo("vllm", "m", 4096, kv_cache_tokens=1000, cache_block_tokens=16, cache_ranks=4)
    assert auto_concurrency(one, 500)[0] == 1
    assert auto_concurrency(four, 500)[0] == 4
    assert auto_concurrency(four, 490)[0] == 8


@pytest.mark.parametrize(("version", "is_supported"), [
    ("0.26.0", True), ("0.29.0", True), ("0.32.0", True), ("0.32.1+cpu", True), ("0.25.1", False), ("0.33.0", False),
    ("1.0.0", False), ("dev", False),
])  # fmt: skip
def test_versions(version: str, is_supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert supported(version) is is_supported
    if is_supported:
        check(version)
        return
    with pytest.raises(ConfigError, match=f"vllm {version}".replace(".", r"\.")):
        check(version)
    monkeypatch.setenv(ANY, "1")
    check(version)
