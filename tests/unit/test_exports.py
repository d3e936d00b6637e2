"""Export: which rows are kept, how they are split, what an expression can reach, what pairs are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import harness
from harness.__main__ import main
from harness.errors import ConfigError, StorageError
from harness.exports.dpo import Value, confidence
from harness.exports.inspect_logs import file_name
from harness.exports.rows import Fault, _logprobs, completion_ids, faults, reward, rewards
from harness.exports.runs import ExportedRun, open_runs
from harness.exports.split import Seen, split_of
from harness.exports.sql import ask
from harness.exports.tables import write_tables
from harness.exports.where import Where
from harness.store.played import Played
from harness.store.sampled import sampled_of
from harness.types import Event, FinishReason, Prompt, Sampled, SessionSpec, Speaker, Turn, View
from tests.fixtures.comparing import config, write_run

FACTS: dict[str, Any] = {
    "persona_id": "two-cups",
    "turn": 3,
    "findings": ["loop"],
    "reward": None,
    "metrics": {"therapist": {"question_rate": 0.5}},
    "scores": {"mi-coding": {"empathy": 2.0}},
    "meta": {},
}


@pytest.mark.parametrize("fields", [{"ids": "AA=="}, {"ids": "???"}, {"logprobs": "AAA="}, {"ids": 5}])
def test_damaged_ids_are_refused_with_their_place(fields: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match="journal:7"):
        sampled_of(fields, "journal:7")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("persona_id == 'two-cups' and turn > 2", True),
        ("persona_id in ['a', 'two-cups']", True),
        ("'loop' not in findings", False),
        ("scores.mi_coding.empathy >= 2", True),
        ("scores['mi-coding']['empathy'] * 2 - 1 == 3", True),
        ("metrics.therapist.question_rate < 0.5 or not turn", False),
        ("reward > 0", False),
        ("reward <= 0", False),
        ("reward is None", True),
        ("meta.quality == 'good'", False),
        ("meta.quality != 'good'", True),
        ("-turn + 4 == 1", True),
        ("1 < turn < 5", True),
        ("meta.nothing in 'good, poor'", False),
        ("meta.nothing not in 'good, poor'", True),
        ("meta.nothing in [None]", True),
    ],
)
def test_expressions(text: str, holds: bool) -> None:
    assert Where(text)(FACTS) is holds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("persona_id ==", "is not an expression"),
        ("__import__('os')", "Call is not allowed"),
        ("(lambda: 1)", "Lambda is not allowed"),
        ("[x for x in findings]", "ListComp is not allowed"),
        ("persona == 'a'", "did you mean persona_id"),
        ("turn > 'a'", "not supported"),
        ("'a' * 99", "can't calculate"),
        ("turn ** 9 > 1", "Pow is not allowed"),
        ("turn / 0 == 1", "division by zero"),
        (f"1{'0' * 400} / 3 > turn", "too large"),
        (f"turn * 0.5 * 1{'0' * 400} > 1", "too large"),
        ("", "is not an expression"),
        ("a" * 3000, "longer than"),
        ("(" * 500 + "1" + ")" * 500, "is not an expression"),
    ],
)
def test_expressions_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Where(text)(FACTS)


def test_a_fact_can_reach_nothing_else() -> None:
    assert Where("persona_id.__class__ is None")(FACTS)


@pytest.mark.parametrize(
    ("text", "personas"), [("row=0.9", "ab"), ("persona=1", "ab"), ("persona=x", "ab"), ("persona=0.9", "a")]
)
def test_splits_that_are_refused(text: str, personas: str) -> None:
    with pytest.raises(ConfigError, match="--split"):
        split_of(text, set(personas))


LONG = "You drove the same road every day for nine years and then one morning it was gone."


@pytest.mark.parametrize(
    ("texts", "held"),
    [
        (("Hi.", LONG), True),
        (("Something else.", LONG.upper()), True),
        (("x", LONG.replace("gone", "closed")), True),
        (("x", "You drove a lorry once, and nobody in your family knew about it for years."), False),
        (("Hi.", "I see."), True),
        (("Ho.", "I see."), False),
    ],
)
def test_what_the_test_part_holds_nearly_word_for_word_is_found(texts: tuple[str, str], held: bool) -> None:
    seen = Seen()
    seen.add(("Hi.", LONG))
    seen.add(("Hi.", "I see!"))
    assert seen.holds(texts) is held


def played(*turns: Turn, events: tuple[Event, ...] = (), drafts: tuple[int | str, ...] = ()) -> Played:
    return Played(
        SessionSpec("s-000", "s", 1, 0), {}, list(turns), [View()] * len(turns),
        list(drafts or [0] * len(turns)), [None] * len(turns), list(events),
    )  # fmt: skip


def test_turns_that_are_no_examples_are_known() -> None:
    said = [
        Turn(0, Speaker.PATIENT, "Hi."),
        Turn(1, Speaker.THERAPIST, "..."),
        Turn(2, Speaker.PATIENT, "What?"),
        Turn(3, Speaker.THERAPIST, "I was going to", finish_reason=FinishReason.LENGTH),
        Turn(4, Speaker.PATIENT, "Well."),
        Turn(5, Speaker.THERAPIST, "As your patient I feel sad."),
        Turn(6, Speaker.PATIENT, "Oh."),
        Turn(7, Speaker.THERAPIST, "Let me put that differently."),
    ]
    session = played(
        *said,
        events=(Event("role_break", 5, Speaker.THERAPIST), Event("loop", 7, Speaker.PATIENT)),
        drafts=(0,) * 7 + (1,),
    )
    assert [faults(session, i) for i in (1, 3, 5, 7)] == [
        [Fault.EMPTY], [Fault.CUT_OFF], [Fault.ROLE_BREAK], [Fault.MENDED],
    ]  # fmt: skip


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str) -> list[int]:
        return list(map(ord, text))

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


@pytest.mark.parametrize(
    ("turn", "sampled", "expected"),
    [
        (Turn(1, Speaker.THERAPIST, "ab"), Sampled((7, 8), 9), ([7, 8], 9)),
        (Turn(1, Speaker.THERAPIST, "ab"), Sampled((7, 8)), ([7, 8], 2)),
        (Turn(1, Speaker.THERAPIST, "ab"), None, ([97, 98], 2)),
        (Turn(1, Speaker.THERAPIST, "ab", finish_reason=FinishReason.LENGTH), Sampled((7, 8), 9), ([7, 8], None)),
        (Turn(1, Speaker.THERAPIST, "abc"), None, ([97, 98, 99], None)),
        (Turn(2, Speaker.PATIENT, "a.", finish_reason=FinishReason.LENGTH), Sampled((97, 46, 98)), ([97, 46], None)),
    ],
)
def test_the_stop_token_is_the_one_sampled_and_stands_only_where_there_is_room(
    turn: Turn, sampled: Sampled | None, expected: tuple[list[int], int | None]
) -> None:
    prompt = Prompt((), (1,), 1, 3, 16, stop_ids=(4, 2))
    assert completion_ids(turn, sampled, prompt, Letters()) == expected


def test_log_probabilities_belong_to_the_ids_that_a_row_keeps() -> None:
    sampled = Sampled((97, 46, 98), logprobs=(-0.1, -0.2, -0.3))
    assert _logprobs(sampled, [97, 46, 98]) == [-0.1, -0.2, -0.3]
    assert _logprobs(sampled, [97, 46]) == [-0.1, -0.2]
    assert _logprobs(sampled, [97, 98]) is None  # other ids than those that were sampled
    assert _logprobs(sampled, [97, 46, 98, 2]) is None
    assert _logprobs(None, [97]) is None


def test_a_reward_is_what_a_turn_did_to_the_patient() -> None:
    state = {"trust": 0.2, "hope": 0.1, "distress": 0.8, "openness": 0.1, "overwhelm": 0.2}
    session = played(
        Turn(0, Speaker.PATIENT, "Hi.", patient_state=state),
        Turn(1, Speaker.THERAPIST, "That must hurt."),
        Turn(2, Speaker.PATIENT, "It does.", patient_state={**state, "trust": 0.35}),
        Turn(3, Speaker.THERAPIST, "Bye."),
    )
    assert rewards(session, 1) == {"trust": 0.15, "hope": 0.0, "distress": 0.0, "openness": 0.0, "overwhelm": 0.0}
    assert rewards(session, 3) == rewards(session, 0) == {}
    only_trust = [replace(turn, patient_state={"trust": 0.3}) for turn in session.turns]
    assert reward(replace(session, turns=only_trust)) is None


def test_confidence_needs_known_errors() -> None:
    def value(number: float, error: float | None) -> Value:
        return Value(None, "s", number, error)  # type: ignore[arg-type]

    assert confidence(value(2, None), value(1, 0.1)) is None
    assert confidence(value(2, 0.0), value(1, 0.0)) == 1.0
    assert confidence(value(2, 0.5), value(1, 0.5)) == pytest.approx(0.9214, abs=1e-4)  # normal table, z = 1.414


def test_scores_of_repeats_are_one_mean_with_its_error_and_nothing_missing_is_a_number(tmp_path: Path) -> None:
    item = {"session_id": "s", "rubric": "mi", "item": "a", "status": "ok"}
    lines = [
        {**item, "value": 1, "turns": [{"turn": 3, "status": "ok", "value": 2}]},
        {**item, "value": 3, "turns": [{"turn": 3, "status": "unparsed", "value": None}]},
        {**item, "item": "b", "status": "abstained", "value": None},
    ]
    (tmp_path / "scores.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run = ExportedRun.__new__(ExportedRun)
    run.path = tmp_path
    judged = run.judged["s"]
    assert judged.session == {"mi.a": 2.0}
    assert judged.spread == {"mi.a": 1.0}
    assert judged.turns == {3: {"mi.a": 2.0}}


@pytest.mark.parametrize("existed", [True, False])
def test_an_export_that_fails_leaves_nothing_and_can_be_repeated(tmp_path: Path, existed: bool) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    (tmp_path / "talk.txt").write_text("Patient: Hi.\n\nTherapist: Hello.\n")
    rights = ["--licence", "x", "--source", "y"]
    assert main(["import", str(tmp_path / "talk.txt"), "--format", "text", "--out", str(run), *rights]) == 0
    if existed:
        out.mkdir()
    with pytest.raises(ConfigError, match="did you mean persona_id"):
        harness.export(run, format="messages", out=out, where="persona == 'a'")
    assert out.exists() is existed
    assert harness.export(run, format="messages", out=out, where="persona_id != 'a'").files == {"train.jsonl": 1}
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(StorageError, match="holds other files"):
        harness.export(run, format="messages", out=out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept


def test_logs_of_runs_of_one_name_are_all_kept() -> None:
    names: list[str] = []
    for folder in ("a/sweep/0", "b/sweep/0", "c/sweep/0", "d/sweep/0"):
        names.append(file_name(Path(folder), names))
    assert names == ["0.eval", "sweep-0.eval", "sweep-0-2.eval", "sweep-0-3.eval"]


def test_tables_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "sessions.parquet").write_bytes(b"not a table")
    with pytest.raises(ConfigError, match=r"sql: sessions.parquet can't be read: .*export the tables again"):
        ask([tmp_path], "select 1")


@pytest.mark.parametrize(("therapist", "expected"), [(None, None), (5, 12)])
def test_cached_tokens_that_an_engine_does_not_report_are_null_in_the_table(
    tmp_path: Path, therapist: int | None, expected: int | None
) -> None:
    arrow = pytest.importorskip("pyarrow.parquet")
    folder = write_run(tmp_path / "run", config(), [("p", 0, {})])
    (line,) = [orjson.loads(raw) for raw in (folder / "sessions.jsonl").read_bytes().splitlines()]
    used = {"prompt_tokens": 9, "completion_tokens": 3, "latency_s": 0.1}
    line |= {"usage": {"patient": {**used, "cached_tokens": 7}, "therapist": {**used, "cached_tokens": therapist}}}
    (folder / "sessions.jsonl").write_bytes(orjson.dumps({"events": [], **line}) + b"\n")
    write_tables(open_runs([folder]), tmp_path)
    assert arrow.read_table(tmp_path / "sessions.parquet").to_pylist()[0]["cached_tokens"] == expected
