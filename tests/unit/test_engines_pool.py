"""The pool and what is refused before anything loads."""

import asyncio
import json
from pathlib import Path

import pytest

from harness.config.auto import resolve_kind
from harness.config.schema import EngineConfig, ModelConfig, RoleConfig, SamplingConfig
from harness.engines.base import Engine, EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.dry.engine import DryEngine
from harness.engines.pool import EnginePool, build
from harness.engines.reasoning import split
from harness.engines.vllm.adapters import Adapters
from harness.engines.vllm.launch import check_args, cpu_cache_gib
from harness.engines.window import context_window, model_limit
from harness.errors import ConfigError, EngineUnavailable
from harness.types import Prompt, Request, Sampling
from tests.fixtures.templates import byte_backend, template


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    byte_backend(["</s>"]).save(str(tmp_path / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "chat_template": template("chatml")}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path


def role(name: str, folder: Path, *, engine: dict[str, object] | None = None, **model: object) -> RoleConfig:
    return RoleConfig(
        name=name,
        model=ModelConfig.model_validate({"path": str(folder), **model}),
        engine=EngineConfig.model_validate({"kind": "dry", "max_model_len": 300, **(engine or {})}),
        sampling=SamplingConfig(),
    )


async def test_roles_with_equal_settings_share_one_engine_and_others_do_not(folder: Path) -> None:
    patient, therapist = role("patient", folder), role("therapist", folder, template_args={"thinking": False})
    other = role("judge", folder, engine={"max_model_len": 200})
    async with EnginePool([patient, therapist, other]) as pool:
        first = await pool.acquire(patient)
        assert await pool.acquire(therapist) is first
        assert await pool.acquire(other) is not first
        assert pool.info(other).max_model_len == 200


async def test_engines_are_closed_after_an_error(folder: Path) -> None:
    only = role("patient", folder)
    engines: list[Engine] = []

    async def fail() -> None:
        async with EnginePool([only]) as pool:
            engines.append(await pool.acquire(only))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(EngineUnavailable):
        await engines[0].generate(Request(Prompt((), (1,), 1, 1, 300), Sampling(), 0, "r"))


def test_engines_are_closed_whole_even_if_the_task_is_cancelled_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a second time. When the loop ends, everything else that runs in it is cancelled, a half-closed engine too."""
    only = role("patient", folder)
    closing, closed, close = asyncio.Event(), asyncio.Event(), DryEngine.close

    async def slow(engine: DryEngine) -> None:
        closing.set()
        await asyncio.sleep(0.05)
        await close(engine)
        closed.set()

    async def play() -> None:
        async with EnginePool([only]) as pool:
            await pool.acquire(only)

    async def main() -> None:
        playing = asyncio.create_task(play())
        await closing.wait()
        for _ in range(2):
            playing.cancel()
            await asyncio.sleep(0.01)
        await playing

    monkeypatch.setattr(DryEngine, "close", slow)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert closed.is_set()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"kind": "dry", "args": {"seed": 1}}, r"engine\.args"),
        ({"kind": "transformers", "base_url": "http://127.0.0.1/v1"}, r"engine\.base_url"),
        ({"kind": "dry", "api_key_env": "X"}, r"engine\.api_key_env"),
    ],
)
def test_a_setting_that_the_kind_would_ignore_is_refused(settings: dict[str, object], key: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=key):
        build(EngineConfig.model_validate({"max_model_len": 100, **settings}), ModelConfig(path=str(folder)))


def test_an_adapter_needs_an_engine_that_serves_it(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.adapter"):
        EnginePool([role("patient", folder, adapter=str(folder))])


def test_auto_is_one_of_the_two_local_engines() -> None:
    assert resolve_kind("auto") in ("vllm", "transformers")
    assert resolve_kind("openai") == "openai"


def test_engine_arguments_are_checked_by_name() -> None:
    check_args({"max_num_seqs": 4}, {"max_num_seqs", "model"})
    with pytest.raises(ConfigError) as caught:
        check_args({"max_num_seq": 4, "model": "x", "zzz": 1}, {"max_num_seqs", "model"})
    assert "did you mean max_num_seqs?" in caught.value.lines[0]
    assert "use the setting of the model" in caught.value.lines[1]
    assert caught.value.lines[2] == "engine.args.zzz: not an engine argument of the installed vLLM"


def test_two_vllm_engines_share_the_gpu_or_are_refused(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 1000}))

    def pair(*shares: float | None) -> list[RoleConfig]:
        return [
            role(f"r{place}", folder, engine={
                "kind": "vllm", "max_model_len": 300 + place,
                "args": {} if share is None else {"gpu_memory_utilization": share},
            })
            for place, share in enumerate(shares)
        ]  # fmt: skip

    def shares_of(roles: list[RoleConfig]) -> list[float]:
        members = EnginePool(roles)._members.values()
        return [member.engine._engine._engine.args["gpu_memory_utilization"] for member in members]  # type: ignore[attr-defined]

    assert shares_of(pair(None, None)) == [0.475, 0.475]
    assert shares_of(pair(0.7, None)) == [0.7, 0.25]
    with pytest.raises(ConfigError, match=r"sum to at most 0\.95"):
        EnginePool(pair(0.6, 0.5))
    with pytest.raises(ConfigError, match="gpu_memory_utilization"):
        EnginePool(pair(0.94, None))


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"max_position_embeddings": 8192}, 8192),
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 131072}, "max_position_embeddings": None}, 131072),
        (
            {
                "max_position_embeddings": 32768,
                "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
            },
            32768,
        ),
        ({"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 32.0}}, 131072),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384),
        ({}, None),
    ],
)
def test_a_models_own_window_is_read_from_its_config(tmp_path: Path, config: dict[str, object], limit: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert model_limit(ModelConfig(path=str(tmp_path))) == limit


def test_the_window_is_the_engines_then_the_models_then_its_own_and_never_more(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 1000}))

    def window(engine: int | None, model: int | None) -> int:
        return context_window(EngineConfig(max_model_len=engine), ModelConfig(path=str(tmp_path), max_model_len=model))

    assert [window(300, 500), window(None, 500), window(None, None)] == [300, 500, 1000]
    with pytest.raises(ConfigError, match=r"engine\.max_model_len: found 1001, expected at most 1000"):
        window(1001, None)
    with pytest.raises(ConfigError, match=r"model\.max_model_len"):
        window(None, 1001)


def test_adapters_are_named_by_what_is_in_them(tmp_path: Path) -> None:
    def adapter(name: str, weights: bytes, rank: object = 12) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
        (folder / "adapter_model.safetensors").write_bytes(weights)
        return folder

    one, same, other = adapter("one", b"a"), adapter("same", b"a"), adapter("other", b"b")
    adapters = Adapters.load((one, same, other))
    assert len(adapters) == 2
    assert adapters.rank == 16
    assert len({found.name for found in adapters}) == 2
    assert sorted(found.number for found in adapters) == [1, 2]
    with pytest.raises(ConfigError, match="rank of the adapter"):
        Adapters.load((adapter("bad", b"c", rank=None),))
    with pytest.raises(ConfigError, match="expected a LoRA folder"):
        Adapters.load((tmp_path,))


def test_concurrency_follows_the_cache_in_whole_blocks() -> None:
    cached = EngineInfo("vllm", "m", 9000, kv_cache_tokens=46_592, cache_block_tokens=128)
    assert auto_concurrency(cached, 3000) == (15, "the KV cache of 46592 tokens holds 15 sessions of 3072 tokens")
    assert auto_concurrency(cached, 2 * 9000)[0] == 2
    assert auto_concurrency(EngineInfo("vllm", "m", 9000, kv_cache_tokens=100), 3000)[0] == 1
    assert auto_concurrency(EngineInfo("transformers", "m", 9000), 3000, max_batch=8)[0] == 8
    assert auto_concurrency(EngineInfo("dry", "m", 9000), 3000)[0] == 1000
    assert auto_concurrency(EngineInfo("openai", "m", 9000), 3000)[0] == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", (None, "Hello.")),
        ("<think>\nhm\n</think>\n\nHello.", ("hm", "Hello.")),
        ("hm\n</think>\nHello.", ("hm", "Hello.")),
        ("<think>never ends", ("never ends", "")),
        ("<think></think>Hello.", (None, "Hello.")),
    ],
)
def test_reasoning_is_told_from_the_answer(text: str, expected: tuple[str | None, str]) -> None:
    assert split(text) == expected


def test_the_cpu_cache_is_small_unless_asked() -> None:
    assert [cpu_cache_gib(total * 2**30) for total in (2, 8, 16, 64)] == [1, 2, 4, 4]


def test_a_bad_option_is_told_without_a_value_that_may_be_a_credential() -> None:
    model = ModelConfig(path="m")
    with pytest.raises(ConfigError, match=r"engine\.options\.noise: Input should be a valid number") as caught:
        build(EngineConfig(kind="scripted", options={"noise": "hunter2"}), model)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"engine\.options\.noise: .* less than or equal to 1; found 2"):
        build(EngineConfig(kind="scripted", options={"noise": 2}), model)
