"""From which turns of which sessions branches continue.

Invariants:
- A branch's seed depends only on the parent's seed, the turn and the branch's number, so that branches with other
  settings are paired. Number 0 has the parent's own seed: with the same settings it repeats the parent.
- Branches of one turn are played in sequence, so that its prompt is in the engine's cache.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, StorageError, did_you_mean
from harness.store.lines import event_fields, turn_fields
from harness.store.played import Played
from harness.store.records import SESSION_ID
from harness.store.resume import prefix_of
from harness.types import Branch, SessionSpec, Source, Speaker, View, derive_seed

_NOTHING: Mapping[str, Any] = {"turns": [], "views": {}, "events": []}
_EVERY = re.compile(r"every=([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Points:
    """The turns of a session at which branches start."""

    text: str

    def __post_init__(self) -> None:
        """Raises `ConfigError`."""
        if not (self.text == "all" or self.text.isdecimal() or _EVERY.fullmatch(self.text)):
            raise ConfigError(f"--turn: found {self.text!r}; expected the index of a turn, all, or every=K")

    def of(self, session: Played) -> list[int]:
        """Indices of turns: one, every therapist turn, or every K-th of these. Empty if the session is too short."""
        if self.text.isdecimal():
            return [int(self.text)] if int(self.text) < len(session.turns) else []
        every = _EVERY.fullmatch(self.text)
        own = [turn.index for turn in session.turns if turn.speaker is Speaker.THERAPIST]
        return own[:: int(every[1])] if every else own


@dataclass(frozen=True, slots=True)
class Beginning:
    """A branch before it is played."""

    spec: SessionSpec
    parent: Played

    def prefix(self) -> dict[str, Any]:
        """The turns, events and views that it begins with, as in its `session_started`."""
        assert self.spec.branch is not None
        turn = self.spec.branch.turn
        return {
            "turns": [turn_fields(said) for said in self.parent.turns[:turn]],
            "events": [event_fields(event) for event in self.parent.events if event.turn < turn],
            "views": self.views(),
        }

    def views(self) -> dict[Speaker, View]:
        """The view of each speaker's last turn before the branch, from which its context continues.

        Of the turns that the parent itself begins with, only the last views are recorded. They hold for earlier turns, too,
        unless something was left out by then. Raises `ConfigError`.
        """
        assert self.spec.branch is not None
        _, views, _ = prefix_of(self.parent.started.get("prefix") or _NOTHING, self.parent.spec.session_id)
        turn, origin = self.spec.branch.turn, self.parent.spec.branch
        if origin is not None and turn < origin.turn and any(view.first for view in views.values()):
            raise ConfigError(
                f"{self.parent.spec.session_id}: turn {turn} comes from {origin.session_id} of {origin.run}, and its view is "
                "recorded only there; branch from that one"
            )
        for said, view in zip(self.parent.turns[:turn], self.parent.views[:turn], strict=True):
            if view is not None:
                views[said.speaker] = view
        return views


def beginnings(
    run: Path, parents: Sequence[Played], points: Points, *, variants: int, exchanges: int | None
) -> Iterator[Beginning]:
    """The branches of these sessions, in order of playing. Raises `ConfigError` for a session that can't branch."""
    for parent in parents:
        spec = parent.spec
        _refuse(parent)
        for turn in points.of(parent):
            for variant in range(variants):
                seed = spec.seed if variant == 0 else derive_seed(spec.seed, "branch", turn, variant)
                own = SessionSpec(
                    _own_id(spec.session_id, turn, variant),
                    spec.persona_id,
                    seed,
                    variant,
                    source=Source.BRANCHED,
                    branch=Branch(str(run), spec.session_id, turn, variant, exchanges),
                )
                beginning = Beginning(own, parent)
                beginning.views()  # refused here, before a folder is made
                yield beginning


def _own_id(parent: str, turn: int, variant: int) -> str:
    name = f"{parent}@{turn}.{variant}"
    if not SESSION_ID.fullmatch(name):
        raise ConfigError(
            f"{parent}: its branch would have the id {name!r}, which is too long for a file name; expected a session with a "
            "shorter id"
        )
    return name


def parents_of(run: Path, found: Mapping[str, Played], ids: Sequence[str]) -> list[Played]:
    """The sessions `ids`, or all. Raises `StorageError` for an unknown id."""
    for session_id in ids:
        if session_id not in found:
            raise StorageError(f"{run}: no session {session_id!r}{did_you_mean(session_id, found)}")
    return [found[session_id] for session_id in ids] if ids else list(found.values())


def _refuse(parent: Played) -> None:
    spec = parent.spec
    if spec.course is not None:
        raise ConfigError(
            f"{spec.session_id}: is a session of a course, and its handover would no longer match it; "
            "expected a single session"
        )
    if parent.turns and parent.turns[0].speaker is Speaker.THERAPIST:
        raise ConfigError(f"{spec.session_id}: the therapist speaks first; expected a session that the patient opens")
