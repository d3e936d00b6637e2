"""What the guard promises: it notices a session that goes bad, leaves a healthy one alone, and costs next to none."""

import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pytest

from harness.config.guard import GuardConfig
from harness.guard import Action, Guard, Verdict
from harness.guard.features import RUN_BITS, features
from harness.types import FinishReason, Speaker, StopReason, Turn
from tests.sessions import HEALTHY, LOOPING, dialogue, turns_of

P, T = Speaker.PATIENT, Speaker.THERAPIST


def verdicts(turns: Iterable[Turn], config: GuardConfig | None = None, language: str = "en") -> list[Verdict]:
    guard = Guard(config or GuardConfig(mends="both"), language)
    return [guard.observe(turn) for turn in turns]


def kinds(verdict: Verdict) -> set[str]:
    return {event.kind for event in verdict.events}


def judged(text: str, speaker: Speaker = P, language: str = "en") -> Verdict:
    return Guard(GuardConfig(mends="both"), language).judge(Turn(0, speaker, text))


def test_the_looping_fixture_has_the_recorded_illness() -> None:
    turns = turns_of(LOOPING)
    patient = [turn.text.lower() for turn in turns if turn.speaker is P]
    therapist = [turn.text for turn in turns if turn.speaker is T]
    assert len(patient) == len(therapist) == 25
    assert sum("supposed to help" in text or "supposed to\nhelp" in text for text in patient) == 17
    assert sum("slow" in text for text in patient) == 22
    assert sum(text.startswith("Let's") for text in therapist) == 19


def test_the_recorded_loop_is_found_by_the_sixth_patient_turn() -> None:
    found = verdicts(turns_of(LOOPING))
    first = next(i for i, verdict in enumerate(found) if "loop" in kinds(verdict))
    assert first // 2 + 1 <= 6
    assert found[first].nudge is not None


def test_the_therapists_worn_out_opening_is_found() -> None:
    events = [event for verdict in verdicts(turns_of(LOOPING)) for event in verdict.events if event.speaker is T]
    assert {"opening"} == {event.data["form"] for event in events if event.kind == "loop"}
    assert any(event.data.get("what") == "let's" for event in events)


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.stem)
def test_a_healthy_session_has_no_finding_of_any_kind(path: Path) -> None:
    turns = turns_of(path)
    assert len(turns) >= 24
    assert [kinds(verdict) for verdict in verdicts(turns) if verdict.events] == []


def test_there_are_ten_healthy_sessions() -> None:
    assert len(HEALTHY) == 10


HELP = (
    "How is that supposed to help?",
    "But how is this supposed to help me?",
    "I don't see how that's supposed to help.",
    "How's that going to help with anything?",
    "I just don't understand how this is supposed to help me feel better.",
    "How is breathing supposed to help when they laugh at me?",
    "Okay, but how does this help?",
    "How is talking about it supposed to help me?",
)
SLOW = (
    "Can we slow down?",
    "Could we slow down a bit?",
    "Please slow down.",
    "I need you to slow down.",
    "You're going too fast, slow down.",
    "Can you slow it down a little, please?",
    "It's a lot, can we just slow down for a second?",
    "I'm overwhelmed. Could you go slower?",
)
OTHER = (
    "I had a bad night.",
    "Everyone at school laughed again.",
    "My mother called on Sunday and I didn't pick up.",
    "It's like there's a stone in my stomach.",
    "They used to hide my bag.",
    "You sound like my teacher.",
    "I only slept three hours.",
    "I nearly didn't come.",
)


def looping_patient(seed: int) -> list[Turn]:
    """25 patient turns with the recorded shares of both requests, in an order and a wording drawn by `seed`."""
    draw = random.Random(seed)
    helped, slowed = set(draw.sample(range(25), 17)), set(draw.sample(range(25), 22))
    turns = []
    for i in range(25):
        parts = [draw.choice(OTHER)]
        parts += [draw.choice(HELP)] if i in helped else []
        parts += [draw.choice(SLOW)] if i in slowed else []
        draw.shuffle(parts)
        turns.append(Turn(2 * i, P, " ".join(parts)))
    return turns


def test_the_loop_is_found_in_nearly_any_order_and_wording() -> None:
    firsts = []
    for seed in range(100):
        found = map(Guard(GuardConfig(mends="both")).observe, looping_patient(seed))
        firsts.append(next(i for i, verdict in enumerate(found, 1) if "loop" in kinds(verdict)))
    assert sum(first <= 6 for first in firsts) >= 95
    assert max(firsts) <= 8


def test_judging_changes_nothing_and_observing_again_gives_the_same() -> None:
    turns = turns_of(LOOPING)
    guard, plain = Guard(GuardConfig(mends="both")), Guard(GuardConfig(mends="both"))
    for turn in turns:
        guard.judge(Turn(turn.index, turn.speaker, "Another draft that is not taken."))
        first, second = guard.judge(turn), guard.judge(turn)
        assert first == second
        assert guard.observe(turn) == plain.observe(turn)
        assert [guard.direction(speaker) for speaker in Speaker] == [plain.direction(speaker) for speaker in Speaker]


def test_a_nudge_names_what_to_avoid_offers_a_move_and_holds_for_one_turn() -> None:
    guard = Guard(GuardConfig(mends="both"))
    asks = [
        "Bad week. Can we slow down?",
        "Work again. Could we slow down a bit?",
        "My brother rang. Please slow down.",
    ]
    for i, text in enumerate(asks):
        guard.observe(Turn(2 * i, P, text))
    nudge = guard.direction(P)
    assert nudge is not None
    assert "slow down" in nudge
    assert guard.direction(T) is None
    guard.observe(Turn(6, P, "I told my brother that I was fine, and he didn't believe a word."))
    assert guard.direction(P) is None


def test_directions_pause_between_nudges() -> None:
    recorded = GuardConfig(mends="both", repeat="record", loop="nudge")
    found = [verdict for verdict in verdicts(looping_patient(3), recorded) if "loop" in kinds(verdict)]
    assert [verdict.action for verdict in found[:3]] == [Action.NUDGE, Action.ACCEPT, Action.NUDGE]


def test_a_turn_taken_although_it_loops_is_followed_by_a_nudge() -> None:
    """A second draft may loop, too: then the next turn gets the direction, once, with its event."""
    guard = Guard(GuardConfig(repeat="off"))
    for turn in looping_patient(6):
        verdict = guard.judge(turn)
        taken = guard.observe(turn)
        nudges = [event.data["because"] for event in taken.events if event.kind == "nudge"]
        if verdict.action is Action.RETRY and nudges:
            break
    assert nudges == ["loop"]
    assert guard.direction(P) == verdict.nudge is not None
    guard.observe(Turn(turn.index + 2, P, "My brother rang on Sunday and we talked about the old boat."))
    assert guard.direction(P) is None


def test_the_worse_draft_is_the_one_with_the_graver_or_with_more_findings() -> None:
    fine, cut = judged("I slept a little.", P), Guard(GuardConfig(mends="both"))
    broken = judged("How can I help you today?", P)
    copied = cut.judge(Turn(0, P, "How can I help you today? <|im_end|>"))
    assert broken.worse_than(fine)
    assert not fine.worse_than(broken)
    assert not broken.worse_than(copied)


def test_a_turn_said_before_is_sampled_again() -> None:
    first = "I can't stop thinking about the night the police came to our door and took him."
    guard = Guard(GuardConfig(mends="both"))
    for turn in dialogue([first, "That must have been frightening.", "It was raining.", "Go on."]):
        guard.observe(turn)
    verdict = guard.judge(Turn(4, P, first.replace("the police", "police")))
    assert verdict.action is Action.RETRY
    assert kinds(verdict) == {"repeat"}
    assert verdict.events[0].data["of_turn"] == 0
    assert verdict.nudge is not None


def test_a_turn_put_together_from_old_ones_is_a_repeat() -> None:
    a = "I walked along the river until it got dark and nobody called."
    b = "Then my sister made soup and we watched the quiz without talking."
    guard = Guard(GuardConfig(mends="both"))
    for turn in dialogue([a, "Mm.", b, "I see."]):
        guard.observe(turn)
    assert kinds(guard.judge(Turn(4, P, f"{a} {b}"))) == {"repeat"}


def test_a_turn_that_says_the_same_over_and_over_is_a_stutter_and_no_repeat_of_an_earlier_turn() -> None:
    stuttered = judged("I'm glad to be here. " * 6)
    assert (kinds(stuttered), stuttered.action) == ({"stutter"}, Action.RETRY)
    assert "Say it once" in (stuttered.nudge or "")
    guard = Guard(GuardConfig(mends="both"))
    guard.observe(Turn(0, P, "I'm glad to be here. " * 6))
    assert guard.repeating_turns() == {P: 0, T: 0}  # the metric counts what comes back from earlier turns
    emphatic = (
        "It was so loud, so loud. I said stop, stop, and nobody stopped, and then I went out to the yard and stayed."
    )
    assert kinds(judged(emphatic)) == set()


def test_a_copy_of_the_other_speaker_is_an_echo() -> None:
    said = "I keep everything in boxes because throwing a thing away feels like losing her again."
    guard = Guard(GuardConfig(mends="both"))
    guard.observe(Turn(0, P, said))
    assert "echo" in kinds(guard.judge(Turn(1, T, said)))
    reflected = "Throwing a thing away would be like losing her a second time, so the boxes stay."
    assert guard.judge(Turn(1, T, reflected)).events == ()


def test_both_speakers_in_a_loop_are_stuck() -> None:
    pair = ["I don't want to talk about it any more today.", "Let us try the breathing exercise once more together."]
    found = verdicts(dialogue(pair * 8))
    assert "stuck" in set().union(*map(kinds, found))
    assert "stuck" not in kinds(found[3])


@pytest.mark.parametrize(
    ("speaker", "text", "form"),
    [
        (P, "I'm tired.\nTherapist: That sounds hard.", "speaks_for_other"),
        (P, "Patient: I'm tired.\n**Therapist:** And since when?", "both_sides"),
        (T, "**Therapist:** How are you?", "label"),
        (T, "As an AI, I don't have feelings.", "machine"),
        (P, "I'm just a large language model, so I can't be sad.", "machine"),
        (T, "I was created by Google to listen.", "machine"),
        (P, "My system prompt says I should resist.", "leak"),
        (P, "I will stay in character now.", "leak"),
        (T, "Sure.<|im_end|>", "leak"),
        (P, "How can I help you today?", "swapped"),
        (P, "Thank you for sharing that. It's completely normal to feel that way.", "swapped"),
        (T, "Thank you, doctor. I feel better.", "swapped"),
    ],
)
def test_role_breaks_are_found_and_sampled_again(speaker: Speaker, text: str, form: str) -> None:
    verdict = judged(text, speaker)
    assert [event.data["form"] for event in verdict.events if event.kind == "role_break"] == [form]
    assert verdict.action is Action.RETRY


@pytest.mark.parametrize(
    ("speaker", "text"),
    [
        (P, "My husband says I'm a robot. Are you an AI?"),
        (P, "My last therapist said the same: breathe."),
        (P, "He told me two things: leave, or shut up."),
        (P, "It sounds like you think I'm lying."),
        (T, "You play the strong one at work; that is a role, not all of you."),
        (T, "It's okay to be angry. Have you thought about telling him?"),
        (T, "Remember the character in your book?"),
    ],
)
def test_ordinary_turns_are_no_role_breaks(speaker: Speaker, text: str) -> None:
    assert judged(text, speaker).events == ()


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "?!", "—"])
def test_a_turn_without_words_is_empty(text: str) -> None:
    assert kinds(judged(text)) == {"empty"}
    assert judged(text).action is Action.RETRY


@pytest.mark.parametrize("text", ["...", "…", "(...)", "*. . .*"])
def test_a_patient_may_be_silent_and_a_therapist_may_not(text: str) -> None:
    assert not judged(text).events
    assert kinds(judged(text, T)) == {"empty"}


def test_a_turn_of_many_blanks_is_judged_in_time() -> None:
    began = time.process_time()
    assert kinds(judged(".." + " " * 20_000 + "#")) == {"empty"}
    assert time.process_time() - began < 1.0


def test_an_emoji_is_something_said() -> None:
    assert judged("😢").events == ()


def test_a_turn_cut_in_its_middle_is_recorded_but_a_finished_sentence_is_not() -> None:
    guard = Guard(GuardConfig(mends="both"))
    cut = Turn(0, P, "I was going to tell you about the", finish_reason=FinishReason.LENGTH)
    whole = Turn(0, P, "I was going to tell you.", finish_reason=FinishReason.LENGTH)
    assert kinds(guard.judge(cut)) == {"cut_off"}
    assert guard.judge(cut).action is Action.ACCEPT
    assert guard.judge(whole).events == ()


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Ich weiß nicht, warum das mit mir so ist und ich habe auch keine Lust mehr.", "en", "de"),
        ("我不知道该怎么说这件事情。", "en", "zh"),
        ("I don't know what to say, it was all too much for me and I left.", "de", "en"),
        ("Я не знаю, что мне сказать.", "en", "ru"),
    ],
)
def test_another_language_is_found(text: str, language: str, found: str) -> None:
    events = judged(text, language=language).events
    assert [(event.kind, event.data["found"]) for event in events] == [("language_switch", found)]


@pytest.mark.parametrize("text", ["My abuela, mi vida, she died.", "C'est la vie, I said to him, and left.", "Ja."])
def test_borrowed_words_are_no_language_switch(text: str) -> None:
    assert "language_switch" not in kinds(judged(text))


@pytest.mark.parametrize(
    ("text", "level", "denied"),
    [
        ("Some nights I wish I was dead.", "wish", False),
        ("I've been thinking about killing myself.", "thoughts", False),
        ("I know how I'd do it, I'd be jumping off the bridge.", "plan", False),
        ("Last year I tried to kill myself.", "behaviour", False),
        ("I started cutting myself again.", "self_harm", False),
        ("I could strangle him, I mean it, I want to kill him.", "harm_to_others", False),
        ("I'm not suicidal, if that's what you ask.", "thoughts", True),
    ],
)
def test_crisis_content_of_the_patient_is_flagged_and_the_session_goes_on(text: str, level: str, denied: bool) -> None:
    verdict = judged(text)
    assert [(e.kind, e.data["level"], e.data["denied"]) for e in verdict.events] == [("crisis", level, denied)]
    assert verdict.action is Action.ACCEPT
    assert judged(text, T).events == ()


@pytest.mark.parametrize("text", ["I was dying to go.", "My phone died.", "The deadline kills me.", "I live in Leeds."])
def test_figures_of_speech_are_no_crisis(text: str) -> None:
    assert judged(text).events == ()


def test_stop_says_why() -> None:
    loop = verdicts(turns_of(LOOPING), GuardConfig(loop="stop"))
    assert {verdict.stop_reason for verdict in loop if verdict.action is Action.STOP} == {StopReason.LOOP}
    crisis = verdicts(dialogue(["I want to kill myself."]), GuardConfig(crisis="stop"))
    assert [(v.action, v.stop_reason) for v in crisis] == [(Action.STOP, StopReason.RISK_POLICY)]


def test_what_is_off_is_not_looked_for() -> None:
    off = GuardConfig(loop="off", repeat="off", stuck="off", echo="off")
    assert not any(verdict.events for verdict in verdicts(turns_of(LOOPING), off))
    assert not any(verdict.events for verdict in verdicts(turns_of(LOOPING), GuardConfig(enabled=False)))


def test_a_phrase_that_comes_back_is_told_with_the_turns_that_hold_it() -> None:
    said = [
        "My sister painted blue doors at the end of the long corridor where nobody ever walks",
        "Grandfather kept chickens and two goats at the end of the long corridor in cages",
        "Snow fell through broken windows at the end of the long corridor last February",
        "The bus came late, and I cooked soup",
        "Somebody plays the trumpet badly at the end of the long corridor before breakfast",
        "A doctor smoked cheap cigars at the end of the long corridor during his night shifts",
    ]
    verdict = verdicts(dialogue([text for own in said for text in (own, f"Go on, {own[:6]}")][:11]))[-1]
    found = [event.data for event in verdict.events if event.data.get("form") == "phrase"]
    assert [data["turns"] for data in found] == [[0, 2, 4, 8, 10]]


def test_only_what_one_old_turn_holds_makes_a_turn_its_repeat() -> None:
    first = "We sold the house by the river because the stairs got too steep for him in winter"
    second = "Nobody wanted the old piano, and so the piano stays in the damp garage with the bikes"
    again = f"{first} and so the piano stays in the damp garage"
    runs = len(again.split()) - 2
    shares = []
    for before in ((first, second), (second, first)):
        verdict = verdicts(dialogue([before[0], "Yes?", before[1], "And?", again]), GuardConfig(repeat_share=0.5))[-1]
        found = next(event.data for event in verdict.events if event.kind == "repeat")
        assert found["of_turn"] == 2 * before.index(first)
        shares.append(found["share"])
    assert shares == [round((len(first.split()) - 2) / runs, 3)] * 2


def test_a_narrow_mask_has_the_bit_of_every_run() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    cut = features(0, text)
    bits = {value % RUN_BITS for value in cut.hashes}
    assert cut.mask == sum(1 << bit for bit in bits)
    assert cut.hidden == cut.different - len(bits)


def test_backchannels_and_short_answers_are_no_loop() -> None:
    for said in ("Yeah.", "Mm-hmm.", "No.", "Okay. Right."):
        turns = dialogue(
            [text for number in range(10) for text in (said, f"What about day {number} of the {number}th?")]
        )
        assert not [e for v in verdicts(turns) for e in v.events if e.speaker is P]
    turns = dialogue([text for number in range(10) for text in (f"It was number {number} again, {number}", "Mm-hmm.")])
    assert not [e for v in verdicts(turns) for e in v.events if e.speaker is T]


def test_crisis_resources_and_safety_wording_are_no_loop_and_are_never_mended() -> None:
    """A therapist who names the line in every turn does what it should."""
    line = "You can call or text the crisis line at any hour. If it gets worse, go to the nearest emergency room."
    asked = [
        "Who is with you?",
        "How is your breathing?",
        "Where do you sit?",
        "What helps a bit?",
        "Is it dark there?",
    ]
    turns = dialogue(
        [text for q in asked for text in (f"it is bad, {q.split()[-1]}", f"{q} {line} Are you safe right now?")]
    )
    assert {v.action for t, v in zip(turns, verdicts(turns), strict=True) if t.speaker is T} == {Action.ACCEPT}
    other = "You can borrow the garden tools at any hour. If it rains hard, go to the nearest wooden shed."
    loop = dialogue([text for q in asked for text in (f"it is bad, {q.split()[-1]}", f"{q} {other}")])
    assert any("loop" in kinds(v) for v in verdicts(loop))


def test_a_thing_that_is_named_in_every_turn_is_a_topic_unless_little_else_is_said() -> None:
    """A therapist who speaks of one remedy for a while, each time to another end, repeats nothing."""
    ends = [
        "How would {} fit into a Monday that begins at four with the milk round and ends at the "
        "allotment gate, with the dog and both of the boys in tow?",
        "Suppose you had {} at noon, what might your knees say of the stairs at the library "
        "afterwards, and of the four flights up to your own door?",
        "Which of your friends could stand next to you while {} goes on the stove for the first "
        "time, or hold the spoon if your hands get shaky like in March?",
        "Somewhere between Friday and the clinic there must be a moment for {}, you were saying "
        "with a shrug, and I saw you smile at the word clinic before you looked away.",
        "When the rain keeps you in, what becomes of {} and of the promise you made your aunt, the "
        "one about the garden fence and her seventieth birthday?",
        "Last thing before the bus: who pays for {} until the wages come, if they come in full, "
        "given what the landlord took for the broken window on the landing?",
    ]
    plain = ["hm", "maybe so", "not on a weekday", "my aunt would", "i'd forget", "dunno, me"]
    found = []
    for lines in (
        ends,
        ["Now {} again.", "Good old {} then.", "Yes to {} now.", "Still {} today.", "And {} too.", "So {} next."],
    ):
        said = [line.format("nettle gum or lozenges") for line in lines]
        turns = dialogue([text for pair in zip(plain, said, strict=True) for text in pair])
        found.append(
            {kind for turn, v in zip(turns, verdicts(turns), strict=True) if turn.speaker is T for kind in kinds(v)}
        )
    assert "loop" not in found[0]
    assert "loop" in found[1]


def test_a_simple_reflection_is_no_echo_but_speaking_as_the_other_is() -> None:
    said = "My sister never calls anymore since the funeral and the house is so quiet at night without her"
    guard = Guard(GuardConfig())
    guard.observe(Turn(0, P, said))
    turned = "Your sister never calls anymore since the funeral and the house is so quiet at night"
    assert not guard.judge(Turn(1, T, turned)).events
    assert kinds(guard.judge(Turn(1, T, said))) == {"echo"}


@pytest.mark.parametrize(
    "text",
    ["No one around No friends or family", "Yeah. No, no, no. So, no.", "Um just feeling quite upset about a breakup"],
)
def test_short_english_words_are_no_other_language(text: str) -> None:
    assert "language_switch" not in kinds(judged(text))


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("idk i just dont wanna be here anymore", "wish"),
        ("honestly kms lol", "thoughts"),
        ("One wouldn't mind, you know, if it simply didn't go on.", "wish"),
        ("I just wish I could close my eyes and not wake up.", "wish"),
        ("They'd be better off without me", "wish"),
        ("I have decided on a way and a week.", "plan"),
        ("I'm going to kill myself tonight", "plan"),
        ("i attempted last year", "behaviour"),
        ("I've been cutting again", "self_harm"),
        ("I lie there having thoughts of strangling Neil.", "harm_to_others"),
        ("The voices keep telling me to do something to myself tonight.", "self_harm"),
        ("The voice is still saying “do it now.” I don't want to.", "self_harm"),
        ("they keep saying i have to do it tonight or something bad will happen", "self_harm"),
        ("There's no way out and everyone would be better off without me.", "wish"),
        ("No one would even notice if I was gone.", "wish"),
        ("how much better off he'd be with somebody else", "wish"),
        ("every day i wake up disappointed that i did", "wish"),
        ("those not waking up thoughts again", "wish"),
        ("i have the pills counted out", "plan"),
    ],
)
def test_a_crisis_is_found_in_the_ways_people_put_it(text: str, level: str) -> None:
    [event] = judged(text).events
    assert (event.data["level"], event.data["denied"]) == (level, False)
    assert event.data["tier"] in ("thoughts", "plan", None)


@pytest.mark.parametrize(
    "text",
    [
        "The wait is killing me.",
        "My brother killed himself in May.",
        "I accidentally hurt myself at the gym.",
        "I don't want to die early, so I quit.",
        "I want to end it with him.",
        "They asked me if I'm suicidal.",
        "I took the stress off myself.",
        "Food like that can kill her.",
        "I don't want to wake up at six.",
        "A friend of mine recently had a suicide attempt.",
        "My boy Jake tried to end it all last month.",
        "After that shift I could sleep forever.",
        "They keep saying we should do it tonight, the party.",
        "Nothing helps and my phone is dead.",
    ],
)
def test_idioms_accidents_and_others_are_no_crisis_of_the_patient(text: str) -> None:
    assert judged(text).events == ()


@pytest.mark.parametrize(
    ("text", "language"),
    [("Ich will einfach nicht mehr leben.", "de"), ("No quiero vivir.", "es"), ("Je ne veux plus vivre.", "fr")],
)
def test_a_crisis_is_found_in_the_persona_s_language(text: str, language: str) -> None:
    assert kinds(judged(text, language=language)) == {"crisis"}


@pytest.mark.parametrize("mends", ["patient", "none", "both"])
def test_the_therapist_is_measured_as_it_is_unless_mending_is_asked_for(
    mends: Literal["patient", "none", "both"],
) -> None:
    found = verdicts(turns_of(LOOPING), GuardConfig(mends=mends))
    mended = {event.speaker for verdict in found for event in verdict.events if event.kind == "nudge"}
    drafted_again = {turn.speaker for turn, v in zip(turns_of(LOOPING), found, strict=True) if v.action is Action.RETRY}
    sides = {"patient": {P}, "none": set[Speaker](), "both": {P, T}}[mends]
    assert mended | drafted_again == sides
    kinds = [[event.kind for event in verdict.events if event.kind != "nudge"] for verdict in found]
    every = verdicts(turns_of(LOOPING), GuardConfig(mends="both"))
    assert kinds == [[event.kind for event in verdict.events if event.kind != "nudge"] for verdict in every]
