"""One setting of a grid over all others: means by hand, and what is no grid."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.comparison.comparison import Comparison, compare
from harness.comparison.runs import read_runs
from harness.errors import ComparisonError
from tests.fixtures.comparing import config, write_run

PERSONAS = [f"p{number}" for number in range(9)]


def point(folder: Path, policy: str, therapist: str, questions: Iterable[float], **more: Any) -> None:
    sessions = [(p, 0, {"speech": {"turns": n}}) for p, n in zip(PERSONAS, questions, strict=False)]
    write_run(
        folder / f"{policy}-{therapist}",
        config(policy, therapist, **more),
        sessions,
        hashes=dict.fromkeys(PERSONAS, "0" * 64),
    )


def compared(folder: Path, by: str, **options: Any) -> Comparison:
    return compare(read_runs([folder]), by=by, names=["speech.turns"], **options)


def means(comparison: Comparison) -> Mapping[str, float]:
    (row,) = comparison.rows
    return {mean.setting: mean.estimate.mean for mean in row.means if mean.estimate}


def test_a_value_is_the_mean_over_the_rest_of_the_grid_and_a_persona_counts_once(tmp_path: Path) -> None:
    noise = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    for therapist, base in (("act", 10.0), ("cbt", 20.0), ("mi", 60.0)):
        point(tmp_path, "truncate", therapist, [base + x for x in noise])
        point(tmp_path, "hybrid", therapist, [base + 3.0 - x for x in noise])
    comparison = compared(tmp_path, "context", baseline="truncate")
    assert means(comparison) == {"truncate": pytest.approx(30.4), "hybrid": pytest.approx(32.6)}
    (difference,) = comparison.rows[0].differences
    assert difference.estimate is not None
    assert difference.estimate.mean == pytest.approx(2.2)
    assert difference.pairs == difference.estimate.n == 9, "three therapists with one persona are no three patients"
    assert comparison.notes[0].startswith(
        "every number is the mean over 3 combinations of the other keys (act, cbt, mi)"
    )
    by_therapist = compared(tmp_path, "therapist.name")
    assert means(by_therapist) == {
        "act": pytest.approx(11.5), "cbt": pytest.approx(21.5), "mi": pytest.approx(61.5)
    }  # fmt: skip
    assert [setting.name for setting in by_therapist.settings] == ["act", "cbt", "mi"]


def test_a_hole_in_the_grid_is_left_out_on_both_sides_and_told(tmp_path: Path) -> None:
    point(tmp_path, "truncate", "act", [1.0] * 9)
    point(tmp_path, "hybrid", "act", [2.0] * 9)
    point(tmp_path, "truncate", "cbt", [100.0] * 9)
    comparison = compared(tmp_path, "context")
    assert means(comparison) == {"truncate": 1.0, "hybrid": 2.0}
    assert any("left out, because not every value was played with them: cbt" in note for note in comparison.notes)


def test_a_session_that_one_cell_lacks_is_left_out(tmp_path: Path) -> None:
    for therapist in ("act", "cbt"):
        point(tmp_path, "truncate", therapist, [1.0] * 9)
    point(tmp_path, "hybrid", "act", [2.0] * 9)
    point(tmp_path, "hybrid", "cbt", [4.0] * 8)
    (row,) = compared(tmp_path, "context").rows
    assert row.differences[0].pairs == 8
    assert means(compared(tmp_path, "context"))["hybrid"] == 3.0


@pytest.mark.parametrize(
    ("points", "by", "message"),
    [
        (
            [("truncate", "act"), ("hybrid", "act"), ("hybrid", "mi")],
            "contxt",
            r"don't differ in contxt.*context.policy",
        ),
        ([("truncate", "act"), ("hybrid", "act")], "context", "the settings differ in nothing but context"),
        ([("truncate", "act"), ("hybrid", "mi")], "context", "the settings differ in nothing but context"),
        ([("truncate", "act"), ("hybrid", "mi"), ("truncate", "cbt")], "context", "no grid"),
    ],
)
def test_what_is_no_grid_is_refused(tmp_path: Path, points: list[tuple[str, str]], by: str, message: str) -> None:
    for policy, therapist in points:
        point(tmp_path, policy, therapist, [1.0] * 9)
    with pytest.raises(ComparisonError, match=message):
        compared(tmp_path, by)


def test_a_group_of_several_settings_has_to_be_named(tmp_path: Path) -> None:
    for number, (policy, low) in enumerate([("truncate", 0.5), ("truncate", 0.6), ("hybrid", 0.5), ("hybrid", 0.6)]):
        settings = {**config(policy), "context": {"policy": policy, "low_water": low}}
        write_run(tmp_path / str(number), settings, [(p, 0, {"speech": {"turns": number}}) for p in PERSONAS])
    with pytest.raises(
        ComparisonError, match=r"context names several keys; expected one of context\.policy, context\.low"
    ):
        compared(tmp_path, "context")
    assert means(compared(tmp_path, "context.low_water")) == {"low_water=0.5": 1.0, "low_water=0.6": 2.0}


def test_values_of_which_the_last_part_is_the_same_stay_apart(tmp_path: Path) -> None:
    for policy, plus in (("truncate", 0.0), ("hybrid", 3.0)):
        for place, base in (("first", 10.0), ("second", 20.0)):
            settings = config(policy)
            settings["therapist"]["model"] = {"path": f"/models/{place}/final"}
            sessions = [(persona, 0, {"speech": {"turns": base + plus}}) for persona in PERSONAS]
            write_run(tmp_path / f"{policy}-{place}", settings, sessions)
    comparison = compared(tmp_path, "therapist.model.path")
    assert list(means(comparison).values()) == [pytest.approx(11.5), pytest.approx(21.5)]
    (difference,) = comparison.rows[0].differences
    assert difference.estimate is not None
    assert difference.estimate.mean == pytest.approx(10.0)
