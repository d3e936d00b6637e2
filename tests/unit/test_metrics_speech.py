"""What the measures of speech mean, on texts where the right value can be counted by hand."""

from pathlib import Path
from typing import Any

import pytest

from harness.config.guard import GuardConfig
from harness.guard import Guard
from harness.metrics.echo import echoes
from harness.metrics.ngrams import Words
from harness.metrics.repetition import Repetition, repetitions
from harness.metrics.session import METRICS_VERSION, measured_again, session_metrics
from harness.metrics.speech import count_repeating, speech, syllables
from harness.store.metrics import write_metrics
from harness.text.words import Said, parse, stem, words
from harness.types import Event, Speaker, StopReason
from tests.fixtures.comparing import config, write_run
from tests.sessions import HEALTHY, LOOPING, dialogue, turns_of


def said(text: str) -> Said:
    return parse(text).said


def cut(*texts: str) -> Words:
    return Words.number_all([words(text) for text in texts])


def measure(*texts: str, other: str | None = None) -> dict[str, Any]:
    """The measures of a patient who says the texts, before a therapist says the other one."""
    every = [said(text) for text in (*texts, *([] if other is None else [other]))]
    words = Words.number_all([turn.words for turn in every])
    [again] = repetitions(words, [range(len(texts))])
    return speech(every[: len(texts)], words.number.size, again, repeating=0)


def again(*texts: str) -> Repetition:
    """What a speaker of these turns says again."""
    return repetitions(cut(*texts), [range(len(texts))])[0]


def test_words_are_the_same_whatever_the_typography() -> None:
    assert words("Let’s go — it's 3.5 km") == ["let's", "go", "it's", "3", "5", "km"]
    assert words("שלום 你好 नमस्ते 😢") == ["שלום", "你", "好", "नमस्ते"]


@pytest.mark.parametrize(
    "text", ["So you are tired...?", "What!?", "What?!", "Alone…?", "He said stop . . . ?", "He said “stop.”?"]
)
def test_a_question_mark_after_another_mark_asks(text: str) -> None:
    assert [sentence.question for sentence in said(text).sentences] == [True]
    assert measure(text)["question_rate"] == 1.0


def test_a_question_mark_on_its_own_line_asks_nothing() -> None:
    assert [sentence.question for sentence in said("I see.\n?").sentences] == [False]
    assert said("?!").sentences == ()


def test_a_text_is_cut_into_sentences_and_clauses() -> None:
    parsed = parse("Well, I paid 3.5 euros. Why? Because…\nNo idea")
    assert [" ".join(sentence.words) for sentence in parsed.said.sentences] == [
        "well i paid 3 5 euros",
        "why",
        "because",
        "no idea",
    ]
    assert [sentence.question for sentence in parsed.said.sentences] == [False, True, False, False]
    assert parsed.clauses[0] == (("well",), ("i", "paid", "3", "5", "euros"))


@pytest.mark.parametrize(
    ("a", "b"), [("slower", "slow"), ("helping", "helps"), ("tried", "tries"), ("stopped", "stop")]
)
def test_inflections_share_a_stem(a: str, b: str) -> None:
    assert stem(a) == stem(b)


@pytest.mark.parametrize(
    ("word", "count"), [("cat", 1), ("table", 2), ("make", 1), ("therapist", 3), ("tree", 1), ("день", 0)]
)
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_distinct_words_and_pairs_are_shares_of_all() -> None:
    measured = measure("red red blue", "red blue", other="and how is the blue")
    assert measured["distinct_1"] == 0.4
    assert measured["distinct_2"] == round(2 / 3, 4)
    assert measured["talk_share"] == 0.5
    assert measured["words_per_turn"] == 2.5


def test_repetition_counts_runs_said_in_earlier_turns() -> None:
    assert again("one two three four five").repetition is None
    assert again("one two three four five", "one two three four six").repetition == 0.5
    assert again("one two", "one two three four", "one two three four").repetition == 1.0


def test_similarity_is_that_of_the_most_similar_of_the_last_own_turns() -> None:
    assert again("one two three").similarity is None
    assert again("one two three", "four five", "one two three six").similarity == round((0 + 2 / 3) / 2, 4)
    far = ["one two", *(f"x{i} y{i}" for i in range(12)), "one two"]
    assert again(*far).similarity == 0.0
    assert again(*far[:12], "one two").similarity == round(1 / 12, 4)


def test_worn_out_phrases_need_matter_and_many_turns() -> None:
    found = again(
        "How is that supposed to help", "Not supposed to help me", "Supposed to help whom", "I see what you mean"
    )
    assert found.worn_out["worn_out_share"] == 0.75
    assert found.worn_out["worn_out"][0] == {"phrase": "supposed to help", "turns": 3}
    assert again(*["I think that it is what it is"] * 4).worn_out["worn_out_share"] == 0.0


def test_repeating_turns_tell_the_ill_session_from_the_healthy_ones() -> None:
    def share(path: Path) -> float:
        turns = turns_of(path)
        return count_repeating(turns)[Speaker.PATIENT] / (len(turns) // 2)

    assert share(LOOPING) > 0.7
    assert [share(path) for path in HEALTHY] == [0.0] * 10


@pytest.mark.parametrize("path", [LOOPING, HEALTHY[0]], ids=lambda path: path.stem)
def test_the_guards_count_of_repeating_turns_is_that_of_the_metric(path: Path) -> None:
    turns = turns_of(path)
    guard = Guard(GuardConfig(loop="record", repeat="nudge"))
    for turn in turns:
        guard.observe(turn)
    counted, cut_up = guard.repeating_turns(), guard.said(turn.speaker for turn in turns)
    assert counted is not None
    assert session_metrics(turns, repeating=counted, said=cut_up) == session_metrics(turns)
    assert Guard(GuardConfig(window=8)).repeating_turns() is None
    assert Guard(GuardConfig(repeat="off")).repeating_turns() is None


def test_reading_ease_follows_the_formula() -> None:
    measured = measure("The cat sat on the mat.")
    assert measured["reading_ease"] == round(206.835 - 1.015 * 6 - 84.6 * 1, 1)


def test_nothing_said_gives_no_numbers_out_of_nothing() -> None:
    measured = measure()
    assert measured["turns"] == 0
    assert all(
        measured[name] is None for name in ("talk_share", "distinct_1", "repetition", "question_rate", "reading_ease")
    )


def test_echo_is_what_was_taken_from_the_other() -> None:
    assert echoes(cut("I lost my keys today", "I lost my keys too", "No")) == [None, 2 / 3, None]


def test_session_metrics_are_the_same_every_time_and_hold_what_happened() -> None:
    turns = turns_of(LOOPING)
    events = [
        Event("loop", 8, Speaker.PATIENT, {"form": "question"}),
        Event("loop", 8, Speaker.PATIENT, {"form": "phrase"}),
        Event("loop", 11, Speaker.THERAPIST),
        Event("compaction", 20, Speaker.THERAPIST),
    ]
    first = session_metrics(turns, events, StopReason.LOOP)
    assert first == session_metrics(turns, events, StopReason.LOOP)
    assert first["guard"]["loop"] == {"turns": 2, "patient": 1, "therapist": 1}
    assert first["guard"]["first_loop_turn"] == 8
    assert first["compactions"] == 1
    assert first["ending"] == "loop"
    assert first["exchanges"] == 25
    assert first["retention"] is None
    assert first["course"] is None


def test_each_speaker_has_its_own_measures() -> None:
    patient, therapist = "I keep the door locked at night. Why?", ["What is behind it?", "Who has the key?", "I see."]
    measured = session_metrics(dialogue([text for answer in therapist for text in (patient, answer)]))
    assert (measured["patient"]["repetition"], measured["therapist"]["repetition"]) == (1.0, 0.0)
    assert (measured["patient"]["similarity"], measured["therapist"]["similarity"]) == (1.0, 0.0)
    assert (measured["patient"]["distinct_1"], measured["therapist"]["distinct_1"]) == (round(8 / 24, 4), 1.0)
    assert (measured["patient"]["distinct_2"], measured["therapist"]["distinct_2"]) == (round(7 / 21, 4), 1.0)
    assert measured["patient"]["worn_out"][0] == {"phrase": "door locked at night", "turns": 3}
    assert measured["therapist"]["worn_out"] == []
    assert measured["patient"]["talk_share"] == round(24 / 34, 4)
    assert (measured["patient"]["question_rate"], measured["therapist"]["question_rate"]) == (1.0, round(2 / 3, 4))


def test_any_dialogue_can_be_measured() -> None:
    for texts in ([], [""], ["", ""], ["😢", "…", "שלום"], ["x" * 5000, "a " * 3000]):
        measured = session_metrics(dialogue(texts), final_view=[])
        assert measured["exchanges"] == len(texts) // 2
        for speaker in ("patient", "therapist"):
            shares = (measured[speaker][name] for name in ("talk_share", "question_rate", "distinct_2", "echo"))
            assert all(share is None or 0.0 <= share <= 1.0 for share in shares)


def test_what_the_therapist_does_is_measured() -> None:
    quit = "I tried to quit smoking five times and I always go back."
    texts = [quit, "So you've tried to quit five times.", "Yeah.", "Mm-hmm.", "It's hard.", "You should set a date."]
    therapist = session_metrics(dialogue(texts))["therapist"]
    assert therapist["reflection_rate"] == round(1 / 3, 4)
    assert therapist["backchannel_rate"] == round(1 / 3, 4)
    assert therapist["reflection_share"] == round(7 / 12, 4)
    assert 0.25 < therapist["input_share"] < 0.6
    assert therapist["reflections_per_question"] is None
    assert therapist["very_short_turns"] == round(1 / 3, 4)


def test_what_the_therapist_does_is_left_out_where_it_speaks_another_language() -> None:
    therapist = session_metrics(dialogue(["Ich bin müde.", "Sie sind müde und wollen nur noch schlafen."]))["therapist"]
    assert therapist["reflection_rate"] is None
    assert therapist["words"] == 8


def test_backchannels_are_no_repetition() -> None:
    turns = dialogue([text for number in range(8) for text in ("Yeah, okay.", f"Word {number} came up there")])
    measured = session_metrics(turns)["patient"]
    assert (measured["similarity"], measured["opening"], measured["repeating_turns"]) == (None, None, 0.0)


def test_an_older_session_is_measured_again_and_keeps_what_cannot_be_measured_again() -> None:
    turns, retention = turns_of(HEALTHY[0]), {"share": 0.5}
    verdict = {"patient_verdict": "invalid", "patient_faults": [{"reason": "helper"}]}
    older = {"metrics_version": 1, "retention": retention, **verdict}
    again = measured_again(turns, [], None, older)
    assert again == {**session_metrics(turns), "retention": retention, **verdict}


def test_the_metrics_of_an_older_run_keep_the_verdicts_on_its_patients(tmp_path: Path) -> None:
    sessions = [("p", 0, {"patient_verdict": "invalid"}), ("q", 0, {"patient_verdict": "valid"})]
    found = write_metrics(write_run(tmp_path / "run", config(), sessions, version=METRICS_VERSION - 1))
    assert found["patient_verdicts"] == {"invalid": 1, "valid": 1}
    assert found["metrics_without_invalid"] is not None
