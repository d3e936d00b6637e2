"""Registries: a name belongs to one plug-in, and what a plug-in does wrong is one line that names it."""

import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config.compose import load
from harness.config.overrides import changed
from harness.config.plugins import METRICS, POLICIES, TRACKERS, Registry, folders, load_plugins
from harness.config.schema import ContextConfig
from harness.context.policies import Compacted, Compaction, Policy, context_policy, make_policy
from harness.errors import ConfigError, HarnessError
from harness.metrics.plugged import metric
from harness.metrics.registry import SessionData, add_own
from harness.types import View


def mine() -> None: ...


@pytest.fixture
def registry() -> Registry[int]:
    return Registry("engine", {"dry": "harness.engines.dry.engine"})


def test_a_second_item_of_a_name_is_refused(registry: Registry[int]) -> None:
    registry.add("own", 1, mine)
    with pytest.raises(ConfigError, match=r"engine 'own': tests\.unit\.test_plugins has one of that name"):
        registry.add("own", 2, mine)
    assert registry.get("own") == 1


def test_ours_are_not_replaced(registry: Registry[int]) -> None:
    with pytest.raises(ConfigError, match="engine 'dry': the harness has one of that name"):
        registry.add("dry", 1, mine)


@pytest.mark.parametrize("name", ["", "Own", "1st", "with space", "a..b", "a\n"])
def test_odd_names_are_refused(registry: Registry[int], name: str) -> None:
    with pytest.raises(ConfigError, match="expected a lower-case name"):
        registry.add(name, 1, mine)


def test_an_unknown_name_gets_a_hint(registry: Registry[int]) -> None:
    registry.add("own", 1, mine)
    with pytest.raises(ConfigError, match=r"engine 'owm': unknown \(did you mean own\?\); expected one of dry, own"):
        registry.get("owm")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("1 / 0", "can't be imported: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('usage: x')", "can't be imported: SystemExit: usage: x"),
        ("import surely_not_there", "it needs the module 'surely_not_there', which is not installed"),
        ("def f(", "can't be imported: SyntaxError"),
        ("from harness import metric\n@metric('sorry', label='x')\ndef f(s): ...", "metric 'sorry': expected a dot"),
    ],
)
def test_a_module_that_breaks_is_named(code: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_plugin.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("broken_plugin", None)
    with pytest.raises(ConfigError) as raised:
        load_plugins(["broken_plugin"])
    assert line in str(raised.value)
    assert "broken_plugin" in str(raised.value)


def test_a_module_that_breaks_can_be_imported_once_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import harness, part_of_mended\nharness.add_folder('.')\nharness.tracker('mended')(type('T', (), {}))\n"
    (tmp_path / "part_of_mended.py").write_text("import harness\nharness.tracker('part')(type('T', (), {}))")
    (tmp_path / "mended_plugin.py").write_text(f"{code}raise ValueError('no')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with pytest.raises(ConfigError, match="mended_plugin: can't be imported: ValueError: no"):
            load_plugins(["mended_plugin"])
    assert tmp_path not in folders()
    assert TRACKERS.names() == ["part"]
    (tmp_path / "mended_plugin.py").write_text(code.replace("harness.add_folder('.')", ""))
    load_plugins(["mended_plugin"])
    assert TRACKERS.names() == ["part", "mended"]
    for name in ("part", "mended"):
        TRACKERS.forget(name)


@pytest.fixture
def session() -> SessionData:
    return SessionData((), (), None)


@pytest.fixture
def measured(session: SessionData) -> Iterator[Callable[[object], dict[str, object]]]:
    """The metrics of a session with one of a plug-in that returns, or raises, this value."""

    def add(value: object) -> dict[str, object]:
        @metric("therapist.mine", label="mine")
        def mine(session: SessionData) -> Any:
            if isinstance(value, BaseException):
                raise value
            return value

        metrics: dict[str, object] = {"therapist": {"words": 5}}
        add_own(metrics, session)
        return metrics

    yield add
    METRICS.forget("therapist.mine")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (ValueError("no"), "ValueError: no"),
        (SystemExit("no"), "SystemExit: no"),
        (10**400, "OverflowError: int too large"),
        (float("-inf"), "ValueError: expected a number below 1e+15, found -inf"),
        ("2", "TypeError: expected a number or None, found str '2'"),
    ],
)
def test_a_metric_that_fails_leaves_its_own_value_out_and_says_so(
    measured: Callable[[object], dict[str, object]], caplog: pytest.LogCaptureFixture, value: object, why: str
) -> None:
    assert measured(value) == {"therapist": {"words": 5}}
    assert f"metric therapist.mine: {why}" in caplog.text


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), Fraction(2)])
def test_every_kind_of_number_is_a_value(measured: Callable[[object], dict[str, object]], value: object) -> None:
    assert measured(value) == {"therapist": {"words": 5, "mine": 2.0}}


@pytest.mark.parametrize("value", [None, float("nan")])
def test_nothing_to_measure_is_no_mistake(
    measured: Callable[[object], dict[str, object]], caplog: pytest.LogCaptureFixture, value: object
) -> None:
    assert measured(value) == {"therapist": {"words": 5}}
    assert not caplog.text


def test_a_metric_below_or_above_another_one_is_left_out_and_told(
    session: SessionData, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("mine.words", "mine.words.long", "other.turns.long", "other.turns")
    for name in names:
        metric(name, label="mine")(lambda session: 2.0)
    metrics: dict[str, object] = {}
    add_own(metrics, session)
    for name in names:
        METRICS.forget(name)
    assert metrics == {"mine": {"words": 2.0}, "other": {"turns": {"long": 2.0}}}
    assert "metric mine.words.long: TypeError: left out, since words holds 2.0 in this session" in caplog.text
    assert "metric other.turns: ValueError: left out, since turns holds {'long': 2.0} already" in caplog.text


@pytest.mark.parametrize(
    "name",
    ["therapist.words", "usage.prompt_tokens", "guard.loop", "guard.repeat.rate", "exchanges.x", "patient_verdict.x"],
)
def test_a_metric_can_not_take_a_place_of_ours(name: str) -> None:
    with pytest.raises(ConfigError, match=f"metric '{name}': this place is the harness's; choose another"):
        metric(name, label="mine")(lambda session: 1.0)


@pytest.mark.parametrize("name", ["course.mine", "guard.mine", "mine.words"])
def test_a_metric_may_stand_beside_ours(name: str) -> None:
    metric(name, label="mine")(lambda session: 1.0)
    METRICS.forget(name)


@pytest.mark.parametrize(("given", "why"), [("[a", "is not a value"), ("5", "found 5, expected a module's name")])
def test_plugins_that_are_no_names_are_refused_in_one_line_at_a_resume_too(given: str, why: str) -> None:
    settings = load(["engine=dry"]).model_dump(mode="json")
    with pytest.raises(ConfigError) as refused:
        changed(settings, [f"plugins={given}"])
    assert why in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def policy(**parts: object) -> type:
    """The class of a policy that does nothing, but for `parts`."""

    async def compact(self: object, full: object) -> Compacted:
        return Compacted(View())

    fine = {"name": "mine", "note_tokens": 0, "shortens": True, "compact": compact}
    return type("Mine", (), {"__init__": lambda self, config: None, **fine, **parts})


@pytest.fixture
def made() -> Iterator[Callable[[type], Policy]]:
    def make(own: type) -> Policy:
        context_policy("mine")(own)
        return make_policy(ContextConfig(policy="mine"), None)

    yield make
    POLICIES.forget("mine")


async def breaks(self: object, full: object) -> None:
    raise ValueError("no")


async def nothing(self: object, full: object) -> None: ...


FULL = Compaction(View(), View(), (), 1, 1, 1, len, 0, "a request")


@pytest.mark.parametrize(
    ("compact", "why"), [(breaks, "ValueError: no"), (nothing, "expected a Compacted, found None")]
)
async def test_what_a_policy_does_wrong_is_told_as_its_own(
    made: Callable[[type], Policy], compact: object, why: str
) -> None:
    with pytest.raises(HarnessError, match=rf"context policy mine \(plug-in {__name__}\): .*{why}"):
        await made(policy(compact=compact)).compact(FULL)


@pytest.mark.parametrize("parts", [{"__init__": lambda self: None}, {"__init__": lambda self, config: 1 / 0}])
def test_a_policy_that_can_not_be_made_is_a_config_error(made: Callable[[type], Policy], parts: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"context policy mine \(plug-in .*\): (Type|ZeroDivision)Error: "):
        made(policy(**parts))


async def test_a_policy_that_keeps_to_the_protocol_is_used_as_it_is(made: Callable[[type], Policy]) -> None:
    own = made(policy())
    assert (own.name, own.note_tokens, own.shortens) == ("mine", 0, True)
    assert await own.compact(FULL) == Compacted(View())
