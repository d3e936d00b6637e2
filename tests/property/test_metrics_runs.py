"""What sorting numbers finds of runs of words is what sets of tuples of words would say."""

from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.runs import Runs, Words

turns_of_words = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9), max_size=9)


def sets(turns: list[list[str]], length: int) -> list[set[tuple[str, ...]]]:
    return [{tuple(turn[i : i + length]) for i in range(len(turn) - length + 1)} for turn in turns]


@given(turns_of_words)
def test_runs_are_those_that_sets_would_hold(turns: list[list[str]]) -> None:
    words = Words(turns)
    by_length: dict[int, Runs] = {2: words.twos, 3: words.threes, 4: words.fours}
    for length, runs in by_length.items():
        held = sets(turns, length)
        assert runs.sizes.tolist() == [len(one) for one in held]
        assert runs.different == len(set[tuple[str, ...]]().union(*held))
        assert runs.shared(3).tolist() == [
            [len(held[i] & held[i - back]) if back <= i else 0 for back in (1, 2, 3)] for i in range(len(turns))
        ]
        often = {tuple(words.all[(at := runs.place(run)) : at + length]): t for run, t in runs.in_many(2).items()}
        every = set[tuple[str, ...]]().union(*held)
        assert often == {
            run: where for run in every if len(where := [i for i, one in enumerate(held) if run in one]) >= 2
        }
