"""A comparison pairs what belongs together, refuses what can't be compared, and claims no more than it knows."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from harness.__main__ import main
from harness.comparison.catalogue import HEADLINES
from harness.comparison.comparison import Comparison, Difference, Unit, Verdict, compare
from harness.comparison.output import to_csv, to_json, to_markdown, to_terminal
from harness.comparison.runs import read_runs, run_folders
from harness.comparison.words import findings, sentence
from harness.errors import ComparisonError, StorageError
from harness.metrics.session import METRICS_VERSION
from harness.store.records import RunStatus
from tests.fixtures.comparing import Session, config, kept, write_run

PERSONAS = [f"p{n}" for n in range(30)]


def retained(mean: float, seed: int, personas: Iterable[str] = PERSONAS, sessions: int = 1) -> list[Session]:
    """Sessions that keep `mean` of the facts, give or take; difficulty belongs to the persona."""
    random = Random(seed)
    return [
        (persona, number, kept(round(mean + Random(persona).uniform(-0.2, 0.2) + random.gauss(0, 0.1), 4)))
        for number in range(sessions)
        for persona in personas
    ]


def compared(folder: Path, **options: Any) -> Comparison:
    return compare(read_runs([folder]), **options)


def two_runs(folder: Path, first: Iterable[Session], second: Iterable[Session]) -> Path:
    """truncate, then hybrid."""
    write_run(folder / "a", config("truncate"), first)
    write_run(folder / "b", config("hybrid"), second)
    return folder


def difference(comparison: Comparison, name: str = "retention.share") -> Difference:
    (found,) = next(row for row in comparison.rows if row.metric.name == name).differences
    return found


def said(comparison: Comparison, name: str = "retention.share") -> str:
    row = next(row for row in comparison.rows if row.metric.name == name)
    return sentence(row, row.differences[0], comparison)


FACTS = "facts still in the therapist's view"


def test_a_difference_is_said_in_words(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.5, seed=1), retained(0.71, seed=2)))
    found = difference(comparison)
    assert found.estimate is not None
    assert found.estimate.interval is not None
    low, high = found.estimate.interval
    assert low < 0.21 < high
    points, least, most = (f"{100 * share:.0f}" for share in (found.estimate.mean, low, high))
    expected = f"{FACTS}: {points} points higher with hybrid than with truncate [{least}, {most}], 30 pairs"
    assert said(comparison) == expected
    assert next(findings(comparison)) == expected


def test_a_lower_value_is_called_lower(tmp_path: Path) -> None:
    two_runs(tmp_path, retained(0.5, seed=1), retained(0.71, seed=2))
    assert said(compared(tmp_path, baseline="hybrid")) == (
        f"{FACTS}: 17 points lower with truncate than with hybrid [12, 22], 30 pairs"
    )


def test_an_interval_without_0_is_never_shown_with_0(tmp_path: Path) -> None:
    """Rounding must not make a difference look like none."""
    first = [(p, 0, kept(0.5)) for p in PERSONAS]
    second = [(p, 0, kept(0.5 + 0.037 + 0.1 * (-1) ** n)) for n, p in enumerate(PERSONAS)]
    found = said(compared(two_runs(tmp_path, first, second)))
    assert found == f"{FACTS}: 3.7 points higher with hybrid than with truncate [0.2, 7.2], 30 pairs"


def test_noise_is_called_noise(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.5, seed=1), retained(0.5, seed=2)))
    assert difference(comparison).verdict is Verdict.NOISE
    assert "no significant difference between hybrid and truncate" in said(comparison)
    assert list(findings(comparison)) == [f"no significant difference ({len(HEADLINES)} comparisons)"]


def test_sessions_are_paired_by_persona_and_seed_in_any_order(tmp_path: Path) -> None:
    """Personas differ by far more than settings: a small difference shows only where pairs are right."""
    first = [(p, 0, kept(n / 40)) for n, p in enumerate(PERSONAS)]
    second = [(p, 0, kept(n / 40 + 0.05 + 0.001 * (n % 3))) for n, p in reversed(list(enumerate(PERSONAS)))]
    hashes = dict.fromkeys(PERSONAS, "0" * 64)
    write_run(tmp_path / "a", config("truncate"), first[3:], hashes=hashes)
    write_run(tmp_path / "b", config("hybrid"), second[3:], hashes=hashes)
    found = difference(compared(tmp_path))
    assert found.estimate is not None
    assert found.estimate.interval is not None
    assert (found.verdict, found.pairs) == (Verdict.DIFFERENT, 24)
    assert found.estimate.mean == pytest.approx(0.051)
    assert found.estimate.interval[1] - found.estimate.interval[0] < 0.002


def test_only_common_sessions_are_paired_and_means_take_all(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config("truncate"), retained(0.5, 1))
    some = retained(0.7, 2)[:20]
    write_run(tmp_path / "b", config("hybrid"), some, failed=10, hashes=dict.fromkeys(PERSONAS, "0" * 64))
    comparison = compared(tmp_path, names=["retention.share"])
    assert difference(comparison).pairs == 20
    assert [mean.sessions for mean in comparison.rows[0].means] == [30, 20]


def test_with_enough_personas_they_are_the_unit(tmp_path: Path) -> None:
    """Several sessions of one patient are no independent evidence on other patients."""
    two_runs(tmp_path, retained(0.5, 1, PERSONAS[:10], 4), retained(0.7, 2, PERSONAS[:10], 4))
    comparison = compared(tmp_path)
    found = difference(comparison)
    assert comparison.unit is Unit.PERSONA
    assert found.estimate is not None
    assert (found.pairs, found.estimate.n) == (40, 10)
    assert said(comparison).endswith(", 40 pairs of 10 personas")


def test_settings_without_a_common_session_are_no_pairs(tmp_path: Path) -> None:
    """Each has pairs with the first setting, and none with the one that is chosen as the baseline."""
    for name, policy, numbers in (("a", "truncate", range(4)), ("b", "hybrid", range(2)), ("c", "none", range(2, 4))):
        sessions = [(persona, number, kept(0.5)) for persona in PERSONAS for number in numbers]
        write_run(tmp_path / name, config(policy), sessions)
    comparison = compared(tmp_path, baseline="hybrid", names=["retention.share"])
    assert comparison.unit is Unit.PERSONA
    verdicts = {found.setting: found.verdict for found in comparison.rows[0].differences}
    assert verdicts == {"truncate": Verdict.SAME, "none": Verdict.MISSING}


def test_with_few_personas_the_claim_is_about_these(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.5, 1, "ab", 10), retained(0.7, 2, "ab", 10)))
    assert comparison.unit is Unit.SESSION
    assert difference(comparison).pairs == 20
    assert any("say nothing about others" in note for note in comparison.notes)


def test_an_interval_ends_where_no_value_is_possible(tmp_path: Path) -> None:
    """No share above 100%: neither as text nor as a number."""
    first = [(p, 0, kept(1.0 if n % 5 else 0.9)) for n, p in enumerate(PERSONAS[:6])]
    second = [(p, 0, kept(0.02 * (n % 3))) for n, p in enumerate(PERSONAS[:6])]
    row = compared(two_runs(tmp_path, first, second)).rows[0]
    estimates = [mean.estimate for mean in row.means] + [difference.estimate for difference in row.differences]
    intervals = [estimate.interval for estimate in estimates if estimate]
    known = [interval for interval in intervals if interval]
    assert len(known) >= 2
    assert all(-1.0 <= low <= high <= 1.0 for low, high in known)
    assert row.means[1].estimate is not None
    assert row.means[1].estimate.interval is not None
    assert row.means[1].estimate.interval[0] == 0.0


def test_few_pairs_give_no_interval(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.1, 1)[:5], retained(0.9, 2)[:5]))
    assert difference(comparison).verdict is Verdict.TOO_FEW
    assert said(comparison).endswith("; too few for a test: 5 pairs")


def test_the_same_everywhere_is_said_so(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.5, 1), retained(0.5, 1)))
    assert said(comparison).endswith("the same with hybrid and truncate in every pair (30 pairs)")


def test_the_same_difference_in_every_pair_is_no_interval_but_a_finding(tmp_path: Path) -> None:
    first = [(p, 0, {"exchanges": 10}) for p in PERSONAS]
    second = [(p, 0, {"exchanges": 12}) for p in PERSONAS]
    comparison = compared(two_runs(tmp_path, first, second))
    assert (
        said(comparison, "exchanges")
        == "exchanges: 2.00 higher with hybrid than with truncate, in every pair, 30 pairs"
    )


def test_many_comparisons_are_counted(tmp_path: Path) -> None:
    """Of a hundred metrics of pure noise, several look different alone, and none after the correction."""
    random = np.random.default_rng(5)

    def noise() -> list[Session]:
        return [
            (p, 0, {"course": {f"m{n}": v for n, v in enumerate(random.normal(size=100).tolist())}}) for p in PERSONAS
        ]

    comparison = compared(two_runs(tmp_path, noise(), noise()), names=None)
    found = [row.differences[0] for row in comparison.rows]
    assert sum(d.estimate.p <= 0.05 for d in found if d.estimate) >= 2
    assert {d.verdict for d in found} == {Verdict.NOISE}
    assert comparison.comparisons == 100


def test_findings_that_were_looked_for_and_not_found_are_zeros(tmp_path: Path) -> None:
    def guard(count: int) -> dict[str, Any]:
        return {"guard": {"nudges": 0, **({"role_break": {"turns": count}} if count else {})}}

    first = [(p, 0, guard(n % 4)) for n, p in enumerate(PERSONAS)]
    second = [(p, 0, guard(0)) for p in PERSONAS]
    comparison = compared(two_runs(tmp_path, first, second))
    found = difference(comparison, "guard.role_break.turns")
    assert found.pairs == 30
    assert found.estimate is not None
    assert found.estimate.mean == pytest.approx(-43 / 30)


@pytest.mark.parametrize("guard", [{"enabled": False}, {"enabled": True, "role_break": "off"}])
def test_findings_that_were_not_looked_for_are_unknown(tmp_path: Path, guard: dict[str, Any]) -> None:
    write_run(tmp_path / "a", config(), [(p, 0, {"guard": {"nudges": 0}}) for p in PERSONAS])
    blind = config(guard=guard)
    write_run(tmp_path / "b", blind, [(p, 0, {"guard": {"nudges": 0}}) for p in PERSONAS])
    assert difference(compared(tmp_path), "guard.role_break.turns").verdict is Verdict.MISSING


def test_counts_left_out_of_a_session_are_zeros_where_their_section_was_computed(tmp_path: Path) -> None:
    name = "course.resistance.behaviours.ask_to_slow_down"

    def course(*behaviours: str) -> dict[str, Any]:
        return {"course": {"resistance": {"behaviours": dict.fromkeys(behaviours, 3)}}}

    first = [(p, 0, course("ask_to_slow_down")) for p in PERSONAS[:20]] + [
        (p, 0, {"course": None}) for p in PERSONAS[20:]
    ]
    second = [(p, 0, course()) for p in PERSONAS]
    found = difference(compared(two_runs(tmp_path, first, second), names=[name]), name)
    assert found.estimate is not None
    assert (found.pairs, found.estimate.mean) == (20, -3.0)


def test_failed_sessions_are_pointed_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config("none"), retained(0.5, 1)[:25], failed=5, hashes=dict.fromkeys(PERSONAS, "0" * 64))
    write_run(tmp_path / "b", config("hybrid"), retained(0.7, 2))
    assert any("5 of 30 sessions failed" in note for note in compared(tmp_path).notes)


def test_a_dry_engine_is_pointed_out(tmp_path: Path) -> None:
    dry = {"name": "act", "engine": {"kind": "dry"}}
    write_run(tmp_path / "a", config() | {"therapist": dry}, retained(0.5, 1))
    write_run(tmp_path / "b", config("hybrid") | {"therapist": dry}, retained(0.7, 2))
    assert any("no model wrote the turns" in note for note in compared(tmp_path).notes)


Change = Callable[[Path], object]
REFUSED: dict[str, tuple[Change, str]] = {
    "other personas": (
        lambda path: write_run(path, config("hybrid"), retained(0.7, 2, [*PERSONAS[1:], "new"])),
        "personas of `hybrid` and `truncate` differ (in only one of them: new, p0)",
    ),
    "changed personas": (
        lambda path: write_run(path, config("hybrid"), retained(0.7, 2), hashes={"p3": "f" * 64}),
        "edited between the runs: p3",
    ),
    "other seeds": (
        lambda path: write_run(path, config("hybrid", seed=1), retained(0.7, 2)),
        "seeds of `hybrid` (1) and `truncate` (0) differ",
    ),
    "other metrics": (
        lambda path: write_run(path, config("hybrid"), retained(0.7, 2), version=999),
        f"metrics_version: {METRICS_VERSION} in a; 999 in b",
    ),
    "metrics without a version": (
        lambda path: write_run(path, config("hybrid"), retained(0.7, 2), version=None),
        f"metrics_version: {METRICS_VERSION} in a; none in b",
    ),
    "no session": (
        lambda path: write_run(path, config("hybrid"), [], failed=30, hashes=dict.fromkeys(PERSONAS, "0" * 64)),
        "b: no finished session",
    ),
    "no common session": (
        lambda path: write_run(path, config("hybrid"), [(p, 1, kept(0.5)) for p in PERSONAS]),
        "have no finished session of the same persona and seed",
    ),
    "unfinished": (
        lambda path: write_run(path, config("hybrid"), retained(0.7, 2), status=RunStatus.INTERRUPTED),
        "b: interrupted, 30 of 30 sessions finished; finish it with `python -m harness resume",
    ),
    "one setting": (lambda path: write_run(path, config(seed=1), retained(0.7, 2)), "one setting only"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compared_is_refused_with_the_reason(
    tmp_path: Path, change: Change, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "a", config(), retained(0.5, 1))
    change(tmp_path / "b")
    assert main(["compare", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert reason in shown.err
    assert all(line.startswith("error: ") for line in shown.err.splitlines())


def test_every_reason_is_given_at_once(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config(), retained(0.5, 1))
    write_run(tmp_path / "b", config("hybrid", seed=1), retained(0.7, 2), hashes={"p3": "f" * 64})
    with pytest.raises(ComparisonError) as refused:
        compared(tmp_path)
    assert len(refused.value.lines) == 2


def test_unfinished_runs_are_compared_where_that_is_allowed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", config(), retained(0.5, 1))
    write_run(tmp_path / "b", config("hybrid"), retained(0.7, 2)[:20], status=RunStatus.RUNNING, failed=10)
    with pytest.raises(ComparisonError):
        read_runs([tmp_path])
    assert len(read_runs([tmp_path], allow_unfinished=True)) == 2


def test_a_sweep_is_read_by_its_points_and_a_missing_one_is_unfinished(tmp_path: Path) -> None:
    for name in ("x", "y", "stray"):
        write_run(tmp_path / name, config(name), retained(0.5, 1))
    points: list[dict[str, Any]] = [{"folder": name, "state": "finished", "settings": []} for name in ("y", "x")]
    (tmp_path / "sweep.json").write_text(json.dumps({"points": points}))
    assert [folder.name for folder in run_folders(tmp_path)] == ["y", "x"]
    (tmp_path / "sweep.json").write_text(json.dumps({"points": [*points, {"folder": "z", "state": "waiting"}]}))
    with pytest.raises(ComparisonError, match="z: not started"):
        read_runs([tmp_path])
    assert len(read_runs([tmp_path], allow_unfinished=True)) == 2


@pytest.mark.parametrize("content", [None, "{", '{"points": 3}'])
def test_a_folder_that_holds_no_runs_is_refused_in_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(StorageError) as refused:
        run_folders(tmp_path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["hybrid", "context.policy=hybrid", "FOLDER"])
def test_the_baseline_can_be_named_in_every_way_it_is_shown(tmp_path: Path, name: str) -> None:
    two_runs(tmp_path, retained(0.5, 1), retained(0.7, 2))
    name = str(tmp_path / "b") if name == "FOLDER" else name
    assert compared(tmp_path, baseline=name).baseline.name == "hybrid"


@pytest.mark.parametrize("option", [{"baseline": "summarize"}, {"names": ["retention.shore"]}])
def test_unknown_names_are_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    two_runs(tmp_path, retained(0.5, 1), retained(0.7, 2))
    with pytest.raises(ComparisonError, match=r"summarize names no setting|no session has retention\.shore"):
        compared(tmp_path, **option)


def test_json_and_csv_hold_the_same_numbers(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.5, 1), retained(0.7, 2)))
    content = json.loads(to_json(comparison))
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison))))
    assert content["baseline"] == "truncate"
    assert len(rows) == 2 * len(content["metrics"])
    row = next(row for row in rows if row["metric"] == "retention.share" and row["setting"] == "hybrid")
    (found,) = content["metrics"][0]["differences"]
    assert float(row["difference"]) == found["mean"]
    assert float(row["difference_low"]) == found["low"]
    assert row["words"] == found["words"]
    assert found["pairs"] == 30
    assert found["p"] <= found["p_adjusted"] <= 0.05


def test_markdown_shows_names_as_they_are(tmp_path: Path) -> None:
    """A setting's name can't break the table, or become emphasis, a link or HTML."""
    nasty = "a|b_c_[x](http://y)<b>"
    write_run(tmp_path / "a", config(therapist="act"), retained(0.5, 1))
    write_run(tmp_path / "b", config(therapist=nasty), retained(0.7, 2))
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(to_markdown(compared(tmp_path)))
    cells = [t.children or [] for n, t in enumerate(tokens) if t.type == "inline" and tokens[n - 1].type == "td_open"]
    texts = ["".join(child.content for child in cell) for cell in cells]
    assert len(cells) == 6 * 2 * len(HEADLINES)
    assert texts.count(Path(nasty).name) == len(HEADLINES)
    assert {child.type for cell in cells for child in cell} <= {"text", "text_special"}


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_terminal_shows_every_setting_and_markup_as_text(tmp_path: Path, is_terminal: bool) -> None:
    write_run(tmp_path / "a", config(therapist="[red]act[/]"), retained(0.5, 1))
    write_run(tmp_path / "b", config(therapist="cbt"), retained(0.7, 2))
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=160, color_system=None)
    with console.capture() as shown:
        to_terminal(compared(tmp_path), console)
    text = shown.get()
    assert "[red]act[/]" in text
    assert "points higher with cbt than with" in text
    assert ("━" in text or "─" in text) == is_terminal


def test_two_forms_cannot_share_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_runs(tmp_path, retained(0.5, 1), retained(0.7, 2))
    assert main(["compare", str(tmp_path), "--json", "--csv"]) == 2
    assert main(["compare", "--json", str(tmp_path), str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_no_wanted_direction_is_a_clinical_claim(tmp_path: Path) -> None:
    """How the simulated patient feels, and how much a therapist asks or reflects, is neither good nor bad here."""
    from harness.comparison.catalogue import metric

    for name in (*HEADLINES, "course.state.distress.end", "patient.words"):
        if name.startswith("course.") or name.split(".")[-1] in (
            "question_rate",
            "reflection_rate",
            "words_per_turn",
            "words",
        ):
            assert metric(name).wanted is None


def test_a_narrow_terminal_gets_lines_that_fit(tmp_path: Path) -> None:
    comparison = compared(two_runs(tmp_path, retained(0.5, 1), retained(0.8, 2)))
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    to_terminal(comparison, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    table = lines[lines.index("") + 1 : len(lines) - lines[::-1].index("")]
    assert max(map(len, (line for line in table if not line.startswith("- ")))) <= 80
    start = table.index("facts still in the therapist's view (wanted: higher)")
    assert [line.split()[0] for line in table[start + 1 : start + 3]] == ["truncate", "hybrid"]
    assert table[start + 2].rstrip().endswith("30")
