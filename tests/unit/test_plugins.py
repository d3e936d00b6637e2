"""Registries: a name belongs to one plug-in, and what a plug-in does wrong is one line that names it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.config.compose import load
from harness.config.overrides import changed
from harness.config.plugins import METRICS, Registry, load_plugins
from harness.errors import ConfigError
from harness.metrics.registry import SessionData, add_own, metric


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


@pytest.fixture
def session() -> SessionData:
    return SessionData((), (), None)


@pytest.fixture
def own() -> Iterator[None]:
    @metric("therapist.breaks", label="breaks")
    def breaks(session: SessionData) -> float:
        raise ValueError("no")

    @metric("therapist.endless", label="endless")
    def endless(session: SessionData) -> float:
        return float("nan")

    @metric("therapist.fine", label="fine")
    def fine(session: SessionData) -> float:
        return 2

    yield
    for name in ("breaks", "endless", "fine"):
        METRICS.forget(f"therapist.{name}")


@pytest.mark.usefixtures("own")
def test_a_metric_that_fails_leaves_its_own_value_out(session: SessionData) -> None:
    metrics: dict[str, object] = {"therapist": {"words": 5}}
    add_own(metrics, session)
    assert metrics == {"therapist": {"words": 5, "fine": 2.0}}


@pytest.mark.parametrize(("given", "why"), [("[a", "is not a value"), ("5", "found 5, expected a module's name")])
def test_plugins_that_are_no_names_are_refused_in_one_line_at_a_resume_too(given: str, why: str) -> None:
    settings = load(["engine=dry"]).model_dump(mode="json")
    with pytest.raises(ConfigError) as refused:
        changed(settings, [f"plugins={given}"])
    assert why in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_class_that_comes_from_no_file_is_registered_without_a_hash() -> None:
    code = (
        "import harness\n"
        "from harness.config.plugins import TRACKERS\n"
        "@harness.tracker('mine')\n"
        "class Mine: pass\n"
        "print(TRACKERS.plugins()[0].sha256)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
