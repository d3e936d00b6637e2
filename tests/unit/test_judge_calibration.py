"""Judges against people: tables are checked line by line, and what is dialled into a table comes back."""

import random
from pathlib import Path

import pytest

from harness.errors import RatingError
from harness.judges.calibration import calibrate, lines
from harness.judges.ratings import of_runs, read_ratings
from harness.judges.records import Rating, Score
from tests.fixtures.judging import rubrics

CHOSEN = rubrics("alliance", "ai-talk", "mi-coding", "empathy")
HEAD = "session_id,item,rater,value,split\n"


def _table(path: Path, *rows: str, head: str = HEAD) -> Path:
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def test_a_table_is_read(tmp_path: Path) -> None:
    path = _table(tmp_path / "r.csv", "s-1,alliance/goals,ann,2,dev", "s-1,lost-facts,ann,yes,", "s-2,goals,bob,3,test")
    found = read_ratings(path, CHOSEN)
    assert [(r.item, r.rater, r.value, r.split) for r in found] == [
        ("alliance/goals", "ann", 2.0, "dev"),
        ("ai-talk/lost-facts", "ann", 1.0, "test"),
        ("alliance/goals", "bob", 3.0, "test"),
    ]


def test_a_table_with_semicolons_is_read_as_well(tmp_path: Path) -> None:
    rows = ("s-1,goals,ann,2,dev", "s-2,goals,ann,3,dev")
    commas = read_ratings(_table(tmp_path / "a.csv", *rows), CHOSEN)
    semicolons = _table(tmp_path / "b.csv", *(row.replace(",", ";") for row in rows), head=HEAD.replace(",", ";"))
    assert read_ratings(semicolons, CHOSEN) == commas


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("s,alliance/goals,ann,9,test", ":2: value: expected one of 0, 1, 2, 3, found '9'"),
        ("s,alliance/goals,ann,good,test", ":2: value: expected a number or one of"),
        ("s,alliance/goals,ann,nan,test", ":2: value: expected one of"),
        ("s,gaols,ann,1,test", ":2: item: 'gaols' is in no rubric"),
        ("s,alliance/goals,,1,test", ":2: rater: no value"),
        ("s,mi-coding/question,ann,open,test", ":2: item: mi-coding/question: a judge's value is its mean over turns"),
        ("s,autonomy,ann,yes,test", ":2: item: mi-coding/autonomy: a judge's value is its sum over turns"),
        ("s,alliance/goals,ann,1,train", ":2: split: expected dev or test, found 'train'"),
        ("s,alliance/goals,ann,1,test\ns,alliance/goals,ann,2,test", ":3: a second rating"),
        ('"s",alliance/goals,"ann\nlee",1,test\n\ns,alliance/goals,ann,9,test', ":5: value: expected one of"),
        ("", "no ratings"),
    ],
)
def test_a_mistake_names_its_line(row: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RatingError) as caught:
        read_ratings(_table(tmp_path / "r.csv", row), CHOSEN)
    assert said in str(caught.value)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\x00", b"", b"a,b\n1,2\n"):
        path = tmp_path / "r.csv"
        path.write_bytes(content)
        with pytest.raises(RatingError):
            read_ratings(path, CHOSEN)
    with pytest.raises(RatingError, match="can't be read"):
        read_ratings(tmp_path / "none.csv", CHOSEN)


def _score(session: int, item: str, value: float | None, rubric: str = "alliance") -> Score:
    return Score.model_validate(
        {
            **{
                "session_id": f"s-{session}",
                "persona_id": f"p-{session % 10}",
                "seed": 0,
                "rubric": rubric,
                "revision": 1,
            },
            **{"item": item, "judge": "j", "repeat": 0, "order": 0, "value": value},
            "status": "ok" if value is not None else "unparsed",
        }
    )


def test_bias_errors_ceiling_and_corrected_prevalence_come_back() -> None:
    draw = random.Random(3)
    ratings: list[Rating] = []
    scores: list[Score] = []
    for session in range(400):
        truth = session % 4
        for rater in ("ann", "bob", "eve"):
            said = truth if draw.random() < 0.9 else draw.randrange(4)
            ratings.append(Rating(session_id=f"s-{session}", item="alliance/goals", rater=rater, value=said))
        scores.append(_score(session, "goals", float(min(3, truth + 1))))
        fault = session % 5 == 0
        for rater in ("ann", "bob", "eve"):
            ratings.append(
                Rating(session_id=f"s-{session}", item="ai-talk/lost-facts", rater=rater, value=float(fault))
            )
        seen = draw.random() < (0.8 if fault else 0.1)
        scores.append(_score(session, "lost-facts", float(seen), "ai-talk"))
    found = {entry.item: entry for entry in calibrate(ratings, scores, CHOSEN)}
    goals, facts = found["alliance/goals"], found["ai-talk/lost-facts"]
    assert goals.bias == pytest.approx(0.75, abs=0.05)
    assert 0.6 < goals.kappa < goals.ceiling
    assert 0.85 < goals.ceiling < 1
    assert facts.sensitivity is not None
    assert facts.specificity is not None
    assert facts.sensitivity.hits / facts.sensitivity.trials == pytest.approx(0.8, abs=0.1)
    assert facts.specificity.hits / facts.specificity.trials == pytest.approx(0.9, abs=0.05)
    assert facts.prevalence == pytest.approx(0.2, abs=0.001)
    assert facts.prevalence_interval is not None
    assert facts.prevalence_interval[0] < 0.2 < facts.prevalence_interval[1]
    assert facts.people_alpha == 1.0
    assert goals.winning_rate == 0.0
    assert len(lines(list(found.values()))) == 3


def test_only_the_split_that_is_asked_for_counts_and_missing_is_counted() -> None:
    ratings = [
        Rating(
            session_id=f"s-{i}",
            item="alliance/goals",
            rater="ann",
            value=float(i % 4),
            split="dev" if i < 10 else "test",
        )
        for i in range(30)
    ]
    scores = [_score(i, "goals", None if i % 5 == 0 else float(i % 4)) for i in range(30)]
    dev, test = (calibrate(ratings, scores, CHOSEN, split=split)[0] for split in ("dev", "test"))
    assert (dev.sessions, dev.missing, test.sessions, test.missing) == (8, 2, 16, 4)
    assert test.kappa == 1.0
    assert calibrate(ratings, [], CHOSEN) == []


def test_a_rated_session_that_was_not_judged_is_named(caplog: pytest.LogCaptureFixture) -> None:
    rating = Rating(session_id="s-l", item="alliance/goals", rater="ann", value=3.0)
    assert of_runs([rating], {"a": [_score(1, "goals", 0.0)]}, "t.csv")[0] == []
    assert "note: t.csv: not judged, so left out: sessions s-l" in caplog.text


def test_a_rating_belongs_to_one_run_of_a_sweep() -> None:
    judged = {"a": [_score(1, "goals", 0.0), _score(2, "goals", 1.0)], "b": [_score(1, "goals", 3.0)]}

    def rated(session_id: str, run: str = "") -> Rating:
        return Rating(session_id=session_id, item="alliance/goals", rater="ann", value=3.0, run=run)

    with pytest.raises(RatingError, match=r"t.csv: session s-1 is in 2 runs \(a, b\).*add a column `run`"):
        of_runs([rated("s-1")], judged, "t.csv")
    ratings = [rated("s-1", "b"), rated("s-2")]
    placed, scores = of_runs(ratings, judged, "t.csv")
    assert [rating.session_id for rating in placed] == ["b/s-1", "a/s-2"]
    (found,) = calibrate(placed, scores, CHOSEN)
    assert (found.sessions, found.bias) == (2, -1.0)
