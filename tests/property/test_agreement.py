"""Agreement with people's codes: the statistics on cases counted by hand, and files as people have them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from harness.__main__ import main
from harness.audit.agreement import agree, read_coded
from harness.audit.agreement.statistics import area, by_session, correlation, f1, kappa, precision, recall
from harness.errors import TranscriptError

HEAD = "session_id,turn,speaker,text,codes,quality\n"
LINES = (
    "a,0,patient,I tried to quit five times.,,good\n"
    "a,1,therapist,So you've tried to quit five times.,reflection|simple_reflection,good\n"
    "a,2,patient,Yeah.,,good\n"
    "a,3,therapist,What made it hard?,open_question;question,good\n"
    "b,0,client,My back hurts.,,poor\n"
    "b,1,therapist,You should see a doctor.,advice,poor\n"
    "b,2,client,ok,,poor\n"
    "b,3,therapist,And you need to stop smoking.,advice,poor\n"
)


def file(tmp_path: Path, text: str, name: str = "coded.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def test_statistics_are_those_of_a_known_library() -> None:
    draw = np.random.default_rng(3)
    truth, found, values = draw.random(200) < 0.3, draw.random(200) < 0.4, draw.integers(0, 9, 200).astype(np.float64)
    assert precision(truth, found) == pytest.approx(reference.precision_score(truth, found))
    assert recall(truth, found) == pytest.approx(reference.recall_score(truth, found))
    assert f1(truth, found) == pytest.approx(reference.f1_score(truth, found))
    assert kappa(truth, found) == pytest.approx(reference.cohen_kappa_score(truth, found))
    assert area(truth, values) == pytest.approx(reference.roc_auc_score(truth, values))
    assert correlation(values, 2 * values + 1) == pytest.approx(1.0)


def test_what_cannot_be_computed_is_none_and_an_interval_holds_its_value() -> None:
    assert by_session(lambda _: float("nan"), 3).value is None
    assert by_session(lambda _: 0.5, 1).interval is None
    numbers = [0.1, 0.4, 0.9, 0.3]

    def mean(places: Sequence[int]) -> float:
        return float(np.mean([numbers[place] for place in places]))

    estimate = by_session(mean, 4)
    assert estimate.interval is not None
    assert estimate.value is not None
    assert estimate.interval[0] < estimate.value < estimate.interval[1]


def test_a_csv_and_a_jsonl_say_the_same(tmp_path: Path) -> None:
    table = read_coded(file(tmp_path, HEAD + LINES))
    names = HEAD.strip().split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in LINES.strip().splitlines()]
    lines = read_coded(file(tmp_path, "\n".join(map(json.dumps, rows)), "coded.jsonl"))
    assert lines == table
    assert [session.groups for session in table] == [{"quality": "good"}, {"quality": "poor"}]
    assert table[0].codes[1] == {"reflection", "simple_reflection"}
    assert table[1].codes == {1: frozenset({"advice"}), 3: frozenset({"advice"})}


def test_turns_of_one_speaker_in_a_row_are_one_with_the_codes_of_both(tmp_path: Path) -> None:
    [session] = read_coded(file(tmp_path, HEAD + "a,0,therapist,Hello.,structure,x\na,1,therapist,Why?,question,x\n"))
    assert [turn.text for turn in session.turns] == ["Hello. Why?"]
    assert session.codes == {0: frozenset({"structure", "question"})}


def test_a_folder_of_our_label_form_is_read(tmp_path: Path) -> None:
    turns = [
        {"index": i, "speaker": who, "text": text}
        for i, (who, text) in enumerate(
            [
                ("patient", "I tried five times."),
                ("therapist", "You tried five times."),
                ("patient", "yes"),
                ("therapist", "Call him."),
            ]
        )
    ]
    line = {
        "session_id": "s",
        "persona_id": "p",
        "seed": 1,
        "stop_reason": "transcript_exhausted",
        "turns": turns,
        "metrics": {},
    }
    (tmp_path / "sessions.jsonl").write_text(json.dumps(line) + "\n")
    labels = {
        "session_id": "s",
        "turn": 1,
        "speaker": "therapist",
        "labels": {"reflection": "simple", "also": ["validation"]},
    }
    (tmp_path / "labels.jsonl").write_text(json.dumps(labels) + "\n")
    [session] = read_coded(tmp_path)
    assert session.codes == {1: {"reflection", "simple_reflection", "validation"}, 3: frozenset()}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no lines"),
        ("session_id,turn\na,1\n", "no speaker, text, codes"),
        (HEAD + "a,first,patient,Hi,,x\n", "turn: found 'first'"),
        (HEAD + "a,1,doctor,Hi,,x\n", "speaker: found 'doctor'"),
        (HEAD + "a,1,therapist,Hi,dancing,x\n", "found dancing"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(TranscriptError, match=reason):
        agree(read_coded(file(tmp_path, text)))


def test_the_command_shows_codes_groups_and_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = file(tmp_path, HEAD + LINES), tmp_path / "out.json"
    assert main(["agree", str(path), "--group", "quality", "--high", "good", "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "2 sessions, 4 coded therapist turns" in shown
    written = json.loads(out.read_text())["classifier"]
    codes = {one["code"]: one for one in written["codes"]}
    assert codes["advice"]["recall"]["value"] == 1.0
    assert codes["reflection"]["f1"]["value"] == 1.0
    assert written["areas"]["input_share"]["value"] == 0.0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--group", "quality"], "go together"),
        (["--group", "quality", "--high", "best"], "found good, poor"),
        (["model=llama-3.1-8b"], "no effect without hearing=model"),
        (["hearing=ears"], "expected classifier or model"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agree", str(file(tmp_path, HEAD + LINES)), *words]) == 2
    assert reason in capsys.readouterr().err
