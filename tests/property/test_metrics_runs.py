"""What sorting numbers finds of runs of words is what sets of tuples of words would say."""

from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.runs import Runs, Words

turns_of_words = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9), max_size=9)


def sets(turns: list[list[str]], length: int) -> list[set[tuple[str, ...]]]:
    return [{tuple(turn[i : i + length]) for i in range(len(turn) - length + 1)} for turn in turns]


@given(turns_of_words)
def test_runs_are_those_that_sets_would_hold(turns: list[list[str]]) -> None:
    compare(Words.number_all(turns), turns)


@given(turns_of_words, st.data())
def test_runs_of_some_turns_are_those_of_these_turns_alone(turns: list[list[str]], data: st.DataObject) -> None:
    chosen = [place for place in range(len(turns)) if data.draw(st.booleans())]
    compare(Words.number_all(turns).of(chosen), [turns[place] for place in chosen])


def compare(words: Words, turns: list[list[str]]) -> None:
    by_length: dict[int, Runs] = {2: words.twos(), 3: words.threes(), 4: words.fours()}
    for length, runs in by_length.items():
        held = sets(turns, length)
        assert runs.sizes.tolist() == [len(one) for one in held]
        assert runs.different == len(set[tuple[str, ...]]().union(*held))
        assert runs.shared(3).tolist() == [
            [len(held[i] & held[i - back]) if back <= i else 0 for back in (1, 2, 3)] for i in range(len(turns))
        ]
        if length > 2:
            spell = words.three if length == 3 else words.four
            assert {spell(run): where for run, where in runs.in_many(2).items()} == often(held)


def often(held: list[set[tuple[str, ...]]]) -> dict[tuple[str, ...], list[int]]:
    """The runs that at least two of the sets hold, with the places of these."""
    every = set[tuple[str, ...]]().union(*held)
    return {run: where for run in every if len(where := [i for i, one in enumerate(held) if run in one]) >= 2}
