"""Windows, quotes and statuses hold whatever comes."""

import json
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.judges.answers import choices
from harness.judges.evidence import Shown, normalized
from harness.judges.prompt import question
from harness.judges.records import Evidence, line
from harness.judges.rubric import Item
from harness.judges.status import Status
from harness.judges.subject import Said
from harness.judges.verdict import assess
from harness.judges.windows import OVERLAP, split
from harness.types import Speaker
from tests.fixtures.judging import rubrics

ITEMS = [(rubric, item) for rubric in rubrics() for item in rubric.items]
TEXT = st.text(max_size=60)
TURNS = st.lists(TEXT, min_size=1, max_size=8).map(
    lambda texts: [Said(i, (Speaker.PATIENT, Speaker.THERAPIST)[i % 2], text) for i, text in enumerate(texts)]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.integers(1, 120), min_size=1, max_size=80), st.integers(0, 300))
def test_windows_hold_every_turn_that_fits_and_share_two_exchanges(costs: list[int], room: int) -> None:
    found = split(costs, room)
    fits = {place for place, cost in enumerate(costs) if cost <= room}
    assert {place for window in found.windows for place in range(window.first, window.end)} == fits
    assert set(found.too_long) == set(range(len(costs))) - fits
    for window in found.windows:
        assert sum(costs[window.first : window.end]) <= room
        assert not set(range(window.first, window.end)) & set(found.too_long)
    for before, after in zip(found.windows, found.windows[1:], strict=False):
        assert after.first > before.first
        assert after.end > before.end
        if not set(range(before.end, after.end)) & set(found.too_long) and after.first < before.end:
            shared = before.end - after.first
            grown = sum(costs[after.first - 1 : before.end + 1])
            assert shared == OVERLAP or after.first == before.first + 1 or grown > room
    if sum(costs) <= room:
        assert len(found.windows) == 1


def _check(text: str, item: Item, turns: list[Said], *, cut: bool) -> None:
    verdict = assess(text, item, Shown(turns), cut=cut)
    assert (verdict.value is not None) is (verdict.status is Status.OK)
    assert line(Evidence(turn=0, quote=verdict.reason)), "a reason that can't be written would end the whole run"
    if verdict.status is Status.OK:
        assert not cut
        chosen = item.answer(verdict.answer or "")
        assert chosen is not None
        assert verdict.value == chosen.value
        if chosen.id in item.evidence.required_for:
            assert verdict.evidence
    for found in verdict.evidence:
        assert line(Evidence(turn=found.turn, quote=found.quote, corrected_from=found.corrected_from))
        said = next(said for said in turns if said.index == found.turn)
        assert normalized(found.quote) in normalized(said.text)
        assert item.evidence.speaker in (None, said.speaker)


@settings(max_examples=300)
@given(st.data())
def test_no_text_becomes_a_number_but_an_answer_with_its_evidence(data: st.DataObject) -> None:
    _, item = data.draw(st.sampled_from(ITEMS))
    turns = data.draw(TURNS)
    quotes = st.sampled_from([said.text for said in turns]) | TEXT
    entry = st.fixed_dictionaries({"turn": st.integers(-2, 9) | JSON, "quote": quotes | JSON})
    answer = st.sampled_from(choices(item)) | JSON
    whole = st.fixed_dictionaries(
        {"evidence": st.lists(entry, max_size=3) | JSON, "reason": TEXT | JSON, "answer": answer}
    )
    value = data.draw(whole | JSON)
    try:
        text = json.dumps(value)
    except ValueError:
        return
    kept = data.draw(st.integers(0, len(text)) | st.just(len(text)))
    _check(text[:kept], item, turns, cut=data.draw(st.booleans()))


@given(st.text(max_size=400), st.sampled_from(ITEMS), TURNS)
@example("I can't", ITEMS[0], [Said(0, Speaker.PATIENT, "x")])
def test_no_random_text_becomes_a_number(text: str, item: tuple[object, Item], turns: list[Said]) -> None:
    _check(text, item[1], turns, cut=False)


def _single_quotes(text: str) -> str:
    return text.replace('"', "'")


MANGLED: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [
        lambda text: f"```json\n{text}\n```",
        lambda text: f"```\n{text}```",
        lambda text: f"Here you are:\n{text}",
        lambda text: f"{text}\n\nI hope that helps!",
        lambda text: f"<think>no</think>{text}",
        _single_quotes,
        lambda text: text[:-1] + ",}",
        lambda text: text[:-1] + ', "answer": "yes"}',
        lambda text: text + text,
        lambda text: f"[{text}]",
        lambda text: text.replace("[", "[NaN, ", 1),
        lambda text: text.replace('"answer"', '"score"'),
        str.upper,
    ]
)
CHANGED: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [
        str.upper,
        str.swapcase,
        lambda text: f"{text}...",
        lambda text: f"{text[: len(text) // 2]} ... {text[len(text) // 2 :]}",
        lambda text: f'"{text}"',
        lambda text: f"Therapist: {text}",
        lambda text: f"{text}\ud800",
        lambda text: text.replace("'", "\u2019").replace("-", "\u2014"),
        lambda text: "  ".join(text.split()),
    ]
)


@settings(max_examples=400)
@given(st.data())
def test_what_real_judges_do_to_answers_and_quotes_makes_no_number_without_evidence(data: st.DataObject) -> None:
    rubric, item = data.draw(st.sampled_from(ITEMS))
    turns = data.draw(TURNS)
    words = st.sampled_from([said.text for said in turns])
    spliced = st.tuples(words, words).map(" ".join)
    asked = st.sampled_from(question(rubric, item).split("\n"))
    quote = words | spliced | asked | st.tuples(CHANGED, words).map(lambda pair: pair[0](pair[1]))
    turn = st.integers(0, 9) | st.just(10**30) | st.just(-1) | st.just("3") | st.just(2.0)
    entry = st.fixed_dictionaries({"turn": turn, "quote": quote})
    answer = st.sampled_from(choices(item)) | st.sampled_from(["4/5", "2 - good", "Yes", "N/A", "0.5"]) | st.floats()
    value = {"evidence": data.draw(st.lists(entry, max_size=2)), "reason": "r", "answer": data.draw(answer)}
    text = json.dumps(value)
    if data.draw(st.booleans()):
        text = data.draw(MANGLED)(text)
    _check(text, item, turns, cut=False)


@given(TEXT)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)
