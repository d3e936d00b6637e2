"""What sorting numbers finds of runs of words is what sets of tuples of words would say."""

from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.ngrams import NGrams, Words

turns_of_words = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9), max_size=9)


def sets(turns: list[list[str]], length: int) -> list[set[tuple[str, ...]]]:
    return [{tuple(turn[i : i + length]) for i in range(len(turn) - length + 1)} for turn in turns]


@given(turns_of_words)
def test_runs_are_those_that_sets_would_hold(turns: list[list[str]]) -> None:
    compare(Words.number_all(turns), [turns])


@given(turns_of_words, st.data())
def test_runs_of_groups_of_turns_are_those_of_each_group_alone(turns: list[list[str]], data: st.DataObject) -> None:
    choice = [data.draw(st.sampled_from([0, 1, None])) for _ in turns]
    groups = [[place for place, group in enumerate(choice) if group == wanted] for wanted in (0, 1)]
    compare(Words.number_all(turns).apart(groups), [[turns[place] for place in group] for group in groups])


def compare(words: Words, groups: list[list[list[str]]]) -> None:
    by_length: dict[int, NGrams] = {2: words.twos(), 3: words.threes(), 4: words.fours()}
    for length, runs in by_length.items():
        held = [sets(turns, length) for turns in groups]
        assert runs.sizes.tolist() == [len(one) for group in held for one in group]
        assert runs.different() == [len(set[tuple[str, ...]]().union(*group)) for group in held]
        assert runs.shared(3).tolist() == [
            [len(group[i] & group[i - back]) if back <= i else 0 for back in (1, 2, 3)]
            for group in held
            for i in range(len(group))
        ]
        if length > 2:
            spell = words.three if length == 3 else words.four
            least = range(2, 2 + len(groups))
            found = [{spell(run): where for run, where in one.items()} for one in runs.in_many(least)]
            assert found == [
                often(group, times, sum(map(len, held[:number])))
                for number, (group, times) in enumerate(zip(held, least, strict=True))
            ]


def often(held: list[set[tuple[str, ...]]], times: int, before: int) -> dict[tuple[str, ...], list[int]]:
    """The runs that at least so many of the sets hold, with the places of these after so many others."""
    every = set[tuple[str, ...]]().union(*held)
    places = {run: [before + i for i, one in enumerate(held) if run in one] for run in every}
    return {run: where for run, where in places.items() if len(where) >= times}
