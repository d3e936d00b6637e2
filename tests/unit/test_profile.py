"""Length profiles: people's lengths, drawn alike on every resume, and whole sentences where a bound cuts."""

from statistics import fmean, median

import pytest

from harness.agents.profile import ROOM, SCALE, chosen, draw, whole_sentences
from harness.personas.schema import Channel, Length, Profile

TYPED = Profile(length=Length.AVERAGE, channel=Channel.TYPED)


def lengths(profile: Profile) -> list[int]:
    return [draw(profile, seed, index).words for seed in range(100) for index in range(0, 40, 2)]


def test_typed_turns_are_as_long_as_people_s() -> None:
    """MIBot: 11.1 words on average, median 8, 30% of three words or fewer."""
    drawn = lengths(TYPED)
    assert fmean(drawn) == pytest.approx(11.1, abs=1.0)
    assert median(drawn) == pytest.approx(8, abs=1)
    assert sum(words <= 3 for words in drawn) / len(drawn) == pytest.approx(0.30, abs=0.04)


def test_terse_and_talkative_stand_where_the_tenths_of_people_s_sessions_do() -> None:
    """Session means from 4 to 21 words, p10 to p90."""
    assert fmean(lengths(TYPED.model_copy(update={"length": Length.TERSE}))) == pytest.approx(4.5, abs=1.0)
    assert fmean(lengths(TYPED.model_copy(update={"length": Length.TALKATIVE}))) == pytest.approx(21, abs=1.5)


def test_the_same_turn_is_drawn_alike_and_others_are_not() -> None:
    assert draw(TYPED, 7, 4) == draw(TYPED, 7, 4)
    assert len({draw(TYPED, 7, index).words for index in range(0, 60, 2)}) > 5


def test_telling_gets_room_whatever_was_drawn() -> None:
    assert min(draw(TYPED, seed, 2, "tell").words for seed in range(200)) >= ROOM["tell"]


def test_about_one_turn_in_twenty_five_asks_back() -> None:
    asked = [draw(TYPED, seed, 2).manner == "asks" for seed in range(4000)]
    assert fmean(asked) == pytest.approx(0.04, abs=0.012)


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("persona", TYPED),
        ("off", None),
        ("terse", Profile(length=Length.TERSE, channel=Channel.TYPED)),
        ("spoken", Profile(length=Length.AVERAGE, channel=Channel.SPOKEN)),
        ("spoken-talkative", Profile(length=Length.TALKATIVE, channel=Channel.SPOKEN)),
    ],
)
def test_a_setting_chooses_what_it_names_and_leaves_the_rest_to_the_persona(
    setting: str, wanted: Profile | None
) -> None:
    assert chosen(setting, TYPED) == wanted


@pytest.mark.parametrize(
    ("cut", "kept"),
    [("I went home. And then I", "I went home."), ("and then i", "and then i"), ("", ""), ("Why? Because", "Why?")],
)
def test_a_bound_leaves_whole_sentences_where_there_are_any(cut: str, kept: str) -> None:
    assert whole_sentences(cut) == kept


def test_a_direction_is_short_and_in_the_patient_s_language() -> None:
    shape = draw(TYPED, 3, 2)
    assert shape.direction("de") != shape.direction("en") == shape.direction("it")
    assert len(shape.direction("en").split()) <= 12
    assert set(SCALE) == set(Length)
