"""Whatever stands in the files of a run or a sweep, a reader ends in an answer or in one clear line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.comparison.runs import read_runs
from harness.errors import HarnessError
from harness.report.write import write_report
from harness.runs.prepare import reopen
from harness.runs.resources import SharedResources
from harness.store.archive import Archive
from harness.store.metrics import write_metrics
from harness.store.repair import repair
from harness.store.run_dir import RunDir
from harness.sweeps.record import read_sweep, refresh
from tests.e2e.test_old_run_folders import FIXTURE

NASTY: list[Any] = [
    *(None, True, -1, 0.5, 1e30, 2**63, 2**70, "", "x", "\x00", "../../x", "\ud800", [], {}, [[]], {"a": 1}),
    *("12", "NaN", 10**400, ["x"] * 3, {"event": "turn"}),
]
FILES = ("run.json", "journal.jsonl", "sessions.jsonl")


def spots(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something could be put into a JSON value."""
    found = [place] if place else []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += spots(item, (*place, key))
    return found


def put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    *path, last = place
    for key in path:
        value = value[key]
    value[last] = new


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of a killed run, with something wrong in it."""
    name = draw(st.sampled_from(FILES))
    content = (FIXTURE / "killed" / name).read_bytes()
    kind = draw(st.sampled_from(("value", "value", "value", "bytes", "cut", "drop", "swap", "twice")))
    if kind == "value":
        lines = [content] if name == "run.json" else content.splitlines()
        number = draw(st.integers(0, len(lines) - 1))
        record = json.loads(lines[number])
        put(record, draw(st.sampled_from(spots(record))), draw(st.sampled_from(NASTY)))
        lines[number] = json.dumps(record, separators=(",", ":")).encode()
        return name, b"\n".join(lines) + b"\n"
    start = draw(st.integers(0, len(content) - 1))
    end = min(len(content), start + draw(st.integers(1, 4000)))
    match kind:
        case "bytes":
            return name, content[:start] + draw(st.binary(max_size=50)) + content[end:]
        case "cut":
            return name, content[:start]
        case "drop":
            return name, content[:start] + b"\0" * (end - start) + content[end:]
        case "swap":
            return name, b"\n".join(reversed(content.splitlines())) + b"\n"
    return name, content + content


def outcome(work: Callable[[], object]) -> HarnessError | None:
    """None where it went well; anything but a `HarnessError` is a defect."""
    found = None
    try:
        work()
    except HarnessError as error:
        found = error
    assert found is None or len(str(found)) < 3000
    return found


@settings(max_examples=60, deadline=None)
@given(damages())
def test_a_damaged_run_is_read_gone_on_with_repaired_or_refused(damage: tuple[str, bytes]) -> None:
    name, content = damage
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "a" / "b" / "run"
        shutil.copytree(FIXTURE / "killed", folder)
        (folder / name).write_bytes(content)
        outcome(lambda: write_metrics(folder))
        outcome(lambda: write_report(folder))
        outcome(lambda: read_runs([folder], allow_unfinished=True))
        outcome(lambda: Archive(folder).session("neighbour-000"))
        outcome(lambda: reopen(folder, SharedResources(), retry_failed=True))

        def go_on() -> None:
            RunDir.open(folder, retry_failed=True)[0].close()

        refused = outcome(go_on)
        outcome(lambda: repair(folder))
        if refused is not None and name != "run.json":
            assert outcome(go_on) is None, f"repaired, and still refused (before: {refused})"
        outside = {path.name for path in Path(temporary).rglob("*") if folder not in (path, *path.parents)}
        assert outside <= {"a", "b"}


@pytest.mark.parametrize("value", NASTY)
def test_a_damaged_sweep_is_one_clear_line(value: Any, tmp_path: Path) -> None:
    whole = json.loads((FIXTURE / "sweep" / "sweep.json").read_text())
    for place in spots(whole):
        record = json.loads(json.dumps(whole))
        put(record, place, value)
        (tmp_path / "sweep.json").write_text(json.dumps(record))
        outcome(lambda: read_sweep(tmp_path))
        outcome(lambda: refresh(tmp_path))
        outcome(lambda: read_runs([tmp_path], allow_unfinished=True))
