"""Settings are called by what sets them apart, and two are never taken for one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.comparison.checks import notes
from harness.comparison.runs import read_runs
from harness.comparison.settings import Setting, settings_of
from tests.fixtures.comparing import config, kept, write_run

SESSIONS = [("p", 0, kept(0.5))]


def settings(folder: Path, *configs: dict[str, Any]) -> list[Setting]:
    paths = [write_run(folder / f"run{n}", c, SESSIONS) for n, c in enumerate(configs)]
    return settings_of(read_runs(paths))


@pytest.mark.parametrize(
    ("configs", "names", "described"),
    [
        ([config("truncate"), config("hybrid")], ["truncate", "hybrid"], "context.policy=hybrid"),
        ([config(therapist="act"), config(therapist="cbt")], ["act", "cbt"], "therapist=cbt"),
        (
            [config() | {"import": {"files": [f"talks/{name}.txt"]}} for name in ("ann", "ben")],
            ["ann", "ben"],
            'import.files=["talks/ben.txt"]',
        ),
        (
            [config() | {"import": {"files": [f"{name}/{n}.txt" for n in range(1000)]}} for name in ("ann", "ben")],
            ["ann", "ben"],
            'import.files=["ben/0.txt","ben/1.txt","ben/2.txt","ben/3.txt","ben/4.txt","and 995 more"]',
        ),
        (
            [config(p, t) for p in ("truncate", "hybrid") for t in ("act", "cbt")],
            ["act, truncate", "cbt, truncate", "act, hybrid", "cbt, hybrid"],
            "therapist=cbt context.policy=hybrid",
        ),
        (
            [config(max_exchanges=10), config(max_exchanges=20)],
            ["max_exchanges=10", "max_exchanges=20"],
            "max_exchanges=20",
        ),
        (
            [config(course={"sessions": 1, "note": "model"}), config(course={"sessions": 3, "note": "model"})],
            ["sessions=1", "sessions=3"],
            "course.sessions=3",
        ),
        ([config(), config(persona_dir="/other")], ["run0", "run1"], "run=run1"),
    ],
    ids=["policy", "preset", "imported", "imported folders", "grid", "number", "course", "nothing that matters"],
)
def test_names_hold_the_keys_that_differ_and_no_others(
    tmp_path: Path, configs: list[dict[str, Any]], names: list[str], described: str
) -> None:
    """run.dir always differs, and a therapist's prompt comes with its name: neither is named."""
    found = settings(tmp_path, *configs)
    assert [setting.name for setting in found] == names
    assert found[-1].described == described


def test_a_model_that_both_roles_share_is_named_once(tmp_path: Path) -> None:
    def with_model(path: str) -> dict[str, Any]:
        one = config()
        return {
            **one,
            **{role: {**one[role], "model": {"path": path, "dtype": path}} for role in ("patient", "therapist")},
        }

    small, large = settings(tmp_path, with_model("/models/small"), with_model("/models/large"))
    assert (small.name, large.name) == ("small", "large")
    assert large.described == "model.path=/models/large"


def test_models_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    one = config()
    found = settings(tmp_path, *[{**one, "therapist": {"model": {"path": f"/{n}/step"}}} for n in "ab"])
    assert [setting.name for setting in found] == ["therapist.model.path=/a/step", "therapist.model.path=/b/step"]


def test_two_texts_of_a_template_are_two_settings_beside_one_that_does_not_use_it(tmp_path: Path) -> None:
    runs = []
    for name, policy, used in (("a", "truncate", {}), ("b", "hybrid", {"template.note": "1" * 64}),
                               ("c", "hybrid", {"template.note": "2" * 64})):  # fmt: skip
        (run,) = read_runs([write_run(tmp_path / name, config(policy), SESSIONS)])
        hashes = {"patient.prompt": "0" * 64, **used}
        runs.append(replace(run, record=run.record.model_copy(update={"content_hashes": hashes})))
    assert len({setting.name for setting in settings_of(runs)}) == 3
    assert [setting.name for setting in settings_of(runs[:2])] == ["truncate", "hybrid"]


def test_settings_that_change_together_are_pointed_out(tmp_path: Path) -> None:
    found = settings(tmp_path, config("truncate", "act"), config("hybrid", "cbt"))
    assert [setting.name for setting in found] == ["act", "cbt"]
    assert "therapist.name and context.policy change together" in next(notes(found))


def test_seeds_and_personas_make_no_setting(tmp_path: Path) -> None:
    """Runs that differ in seed only are more sessions of one setting."""
    found = settings(tmp_path, config(seed=0), config(seed=1), config("hybrid", seed=0), config("hybrid", seed=1))
    assert [(setting.name, len(setting.sessions)) for setting in found] == [("truncate", 2), ("hybrid", 2)]


def test_the_same_sessions_played_twice_are_two_settings(tmp_path: Path) -> None:
    """As before and after a change of the code."""
    assert [setting.name for setting in settings(tmp_path, config(), config())] == ["run0", "run1"]
