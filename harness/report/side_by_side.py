"""The same persona and seed in two settings, side by side, turn by turn."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.comparison.runs import Pair, pair_of
from harness.comparison.settings import Setting
from harness.guard.findings import FINDINGS
from harness.report.rows import row_of
from harness.report.shown import STRIP
from harness.store.records import SessionRecord, read_sessions

MOST_SETTINGS = 12
MOST_PAIRS = 8
MOST_CHARACTERS = 1_500_000
"""Bounds the sessions on the page; a session that does not fit with all its settings is left out."""


@dataclass(frozen=True, slots=True)
class SideTurn:
    """One turn of one setting."""

    index: int
    speaker: str
    text: str
    state: str
    """Trust, openness and distress after the turn; empty without a state."""
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One session of one setting."""

    setting: int
    pair: int
    session_id: str
    ended: str
    turns: tuple[SideTurn, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Sessions that can be shown side by side; `Side.setting` and `Side.pair` are indices of `settings` and `pairs`."""

    settings: tuple[str, ...]
    pairs: tuple[str, ...]
    sides: tuple[Side, ...]

    def turns(self, setting: int, pair: int) -> tuple[SideTurn, ...]:
        """The turns of one side; empty without such a session."""
        return next((side.turns for side in self.sides if (side.setting, side.pair) == (setting, pair)), ())

    def lines(self, left: int, right: int, pair: int) -> list[tuple[SideTurn | None, SideTurn | None]]:
        """Pairs of turns with the same index; None where one session is shorter."""
        one, other = self.turns(left, pair), self.turns(right, pair)
        return [
            (one[at] if at < len(one) else None, other[at] if at < len(other) else None)
            for at in range(max(len(one), len(other)))
        ]


def side_by_side(settings: Sequence[Setting], *, dry: bool = False) -> SideBySide | None:
    """Sessions of the first settings with a persona and seed that all of these have; None without any that fit."""
    settings = settings[:MOST_SETTINGS]
    common = set.intersection(*(set(setting.sessions) for setting in settings)) if len(settings) > 1 else set()
    if not common:
        return None
    chosen = _chosen(settings, common)
    found: dict[Pair, list[tuple[int, SessionRecord]]] = {pair: [] for pair in chosen}
    sizes: Counter[Pair] = Counter()
    for number, setting in enumerate(settings):
        for pair, session in _sessions(setting, set(chosen)):
            sizes[pair] += sum(len(turn.text) + 300 for turn in session.turns)
            if sizes[pair] <= MOST_CHARACTERS:
                found[pair].append((number, session))
            else:
                found[pair].clear()  # it will not fit
    pairs = _fitting(chosen, sizes)
    if not pairs:
        return None
    sides = [_side(number, at, session, dry) for at, pair in enumerate(pairs) for number, session in found[pair]]
    names = tuple(f"{persona}, seed {seed}{branch and f', branch of {branch}'}" for persona, seed, branch in pairs)
    return SideBySide(tuple(setting.name for setting in settings), names, tuple(sides))


def _fitting(chosen: Sequence[Pair], sizes: Mapping[Pair, int]) -> list[Pair]:
    """The first of the pairs that fit together, each with all its settings, sorted by name."""
    fitting, room = [], MOST_CHARACTERS
    for pair in chosen:
        if sizes[pair] <= room:
            room -= sizes[pair]
            fitting.append(pair)
    return sorted(fitting)


def _chosen(settings: Sequence[Setting], common: set[Pair]) -> list[Pair]:
    """The pairs that differ most between settings in repeating therapist turns and change of trust, most first."""

    def difference(pair: Pair) -> float:
        return sum(
            _range([setting.sessions[pair].numbers for setting in settings], name)
            for name in ("therapist.repeating_turns", "course.state.trust.change")
        )

    return sorted(common, key=lambda pair: (-difference(pair), pair))[:MOST_PAIRS]


def _range(sessions: Sequence[Mapping[str, float]], name: str) -> float:
    values = [value for session in sessions if (value := session.get(name)) is not None]
    return max(values) - min(values) if values else 0.0


def _sessions(setting: Setting, wanted: set[Pair]) -> Iterator[tuple[Pair, SessionRecord]]:
    for run in setting.runs:
        if wanted & run.sessions.keys():
            for session in read_sessions(run.path / "sessions.jsonl"):
                if (pair := pair_of(session)) in wanted:
                    yield pair, session


def _side(setting: int, pair: int, session: SessionRecord, dry: bool) -> Side:
    found: dict[int, list[str]] = {}
    for event in session.events if not dry else ():
        if event.kind in FINDINGS and event.kind not in found.setdefault(event.turn, []):
            found[event.turn].append(event.kind)
    turns = tuple(
        SideTurn(
            turn.index,
            str(turn.speaker),
            turn.text,
            "" if dry else _state(turn.patient_state or {}),
            tuple(found.get(turn.index, ())),
        )
        for turn in session.turns
    )
    return Side(setting, pair, session.session_id, row_of(session).stop_reason, turns)


def _state(state: Mapping[str, object]) -> str:
    known = [(name, value) for name in STRIP if isinstance(value := state.get(name), int | float)]
    return " · ".join(f"{name} {value:.2f}" for name, value in known)
