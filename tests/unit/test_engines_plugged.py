"""The mistakes of a plug-in's engine: each is one line that names the engine, and is no defect of the harness."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo, EngineSetup, EngineType
from harness.engines.plugged import PluggedEngine
from harness.errors import ConfigError, EngineError, EngineUnavailable
from harness.types import FinishReason, Generation, Prompt, Request, Sampling

SETUP = EngineSetup(EngineConfig(kind="dry"), ModelConfig(path="model"))
REQUEST = Request(Prompt((), (), 0, 8, 100), Sampling(), 0, "a request")


def returning(value: object) -> Callable[..., Any]:
    async def method(*_: object) -> object:
        if isinstance(value, BaseException):
            raise value
        return value

    return method


def plugged(**methods: object) -> PluggedEngine:
    made = {"__init__": lambda self, setup: None, "start": returning(None), "generate": returning(None)}
    kind = type("Mine", (), {**made, "close": returning(None), **methods})
    return PluggedEngine(EngineType("mine", kind, frozenset(), adapters=False, settings=None), SETUP)


def answer(**fields: Any) -> Generation:
    fine: dict[str, Any] = {"text": "Yes.", "token_ids": (), "prompt_tokens": 1, "completion_tokens": 1}
    return Generation(**{**fine, "finish_reason": FinishReason.STOP, **fields})


async def test_one_that_keeps_to_the_protocol_is_as_it_is() -> None:
    info, said = EngineInfo("mine", "mine", 100), answer()
    engine = plugged(start=returning(info), generate=returning(said))
    assert await engine.start() is info
    assert await engine.generate(REQUEST) is said
    await engine.close()


@pytest.mark.parametrize(
    ("methods", "why"),
    [
        ({"__init__": lambda self: None}, "TypeError: "),
        ({"close": None}, "no method close; expected start, generate and close"),
        ({"start": None, "generate": None}, "no method start, generate"),
    ],
)
def test_one_that_can_not_be_made_is_a_config_error(methods: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=rf"engine mine \(plug-in {__name__}\): {why}"):
        plugged(**methods)


@pytest.mark.parametrize(
    ("value", "why"),
    [(ConnectionError("no server\nat all"), "ConnectionError: no server"), (None, "start: expected an EngineInfo")],
)
async def test_one_that_does_not_start_is_an_engine_error(value: object, why: str) -> None:
    with pytest.raises(EngineError, match=why) as raised:
        await plugged(start=returning(value)).start()
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (ValueError("boom"), "ValueError: boom"),
        (SystemExit("boom"), "SystemExit: boom"),
        ("Go on.", "generate: expected a Generation, found str 'Go on.'"),
        (answer(text=None), "generate: text: expected str, found NoneType"),
        (answer(prompt_tokens=None), "generate: prompt_tokens: expected a number, found NoneType"),
        (answer(text="\ud800"), "UnicodeEncodeError: "),
    ],
)
async def test_one_that_does_not_answer_is_an_engine_error(value: object, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        await plugged(generate=returning(value)).generate(REQUEST)


async def test_its_own_harness_errors_pass() -> None:
    with pytest.raises(EngineUnavailable, match=r"^gone$"):
        await plugged(generate=returning(EngineUnavailable("gone"))).generate(REQUEST)


async def test_one_that_can_not_be_closed_is_told_of_only(caplog: pytest.LogCaptureFixture) -> None:
    await plugged(close=returning(RuntimeError("stuck"))).close()
    assert "close: RuntimeError: stuck" in caplog.text
