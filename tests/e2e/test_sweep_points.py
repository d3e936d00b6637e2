"""The points that a sweep's command line makes, and what refuses them, before anything is played."""

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.sweeps.expand import expand

DRY = "engine=dry"


def test_every_combination_is_a_point_in_hydras_order() -> None:
    points = expand([DRY, "therapist=act,cbt", "seed=0,1"], None)
    assert [(p.config.therapist.name, p.config.seed) for p in points] == [
        ("act", 0),
        ("act", 1),
        ("cbt", 0),
        ("cbt", 1),
    ]
    assert len({p.folder for p in points}) == 4


def test_a_points_folder_is_named_by_what_can_change_its_results_alone() -> None:
    (first,) = expand([DRY, "run.dir=somewhere", "concurrency=3", "on_failure=2"], None)
    (again,) = expand([DRY, "seed=0"], None)
    (other,) = expand([DRY, "seed=1"], None)
    assert first.folder == again.folder == again.config_hash[:12]
    assert other.folder != first.folder


def test_the_users_own_config_files_come_first(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 3,4\n"
    )
    assert [p.config.seed for p in expand([DRY, "experiment=mine"], tmp_path)] == [3, 4]


def test_every_mistake_is_one_line_that_names_the_point_it_is_in() -> None:
    with pytest.raises(ConfigError) as caught:
        expand([DRY, "therapist=act,nope", "seed=0,-1", "max_exchanges=0"], None)
    lines = caught.value.lines
    assert sum("therapist=nope: no such choice" in line for line in lines) == 1
    assert any(line.startswith("point therapist=nope seed=0 (and 1 more): ") for line in lines)
    assert any(line.startswith("point therapist=act seed=-1: ") and "seed" in line for line in lines)
    assert sum("max_exchanges" in line.partition(": ")[2] for line in lines) == 1


def test_a_mistake_that_all_points_have_is_told_once_without_a_point() -> None:
    with pytest.raises(ConfigError) as caught:
        expand([DRY, "therapist=act,cbt", "max_exchanges=0"], None)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith("command line: max_exchanges: ")


def test_what_is_no_setting_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="'context=\\[' is not a setting"):
        expand([DRY, "context=["], None)


def test_an_unknown_launcher_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="hydra/launcher/nope"):
        expand([DRY, "hydra/launcher=nope"], None)


@pytest.mark.parametrize("override", ["therapist=glob(*)", "seed=interval(1,2)"])
def test_a_sweep_that_lists_no_values_is_refused_by_its_setting(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand(["engine=dry", override], None)
    assert caught.value.lines == (
        f"command line: {override}: names no values; list them with commas, choice(...) or range(...)",
    )
