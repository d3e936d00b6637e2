"""Rebuilds the prompt of any recorded turn, exactly as it was sent, from its run folder.

Invariant: a prompt is a pure function of the session's texts and of the view journalled with its turn, so prompts need
not be stored.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.config.recorded import read_config, refuse_code
from harness.context.render.load import load_renderer
from harness.context.render.renderer import Renderer
from harness.context.view import project
from harness.errors import StorageError, did_you_mean
from harness.models.located import located
from harness.store.identity import recorded_contents
from harness.store.journal import read_journal
from harness.store.played import Played, read_played
from harness.store.records import TURN, parse, read_record, refuse_imported
from harness.types import Message, Speaker, Turn


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The prompt of one turn."""

    turn: Turn
    messages: tuple[Message, ...]
    text: str
    """The prompt as rendered by the model's chat template, with the generation prompt."""
    ids: tuple[int, ...]


class Archive:
    """The folder of a run, finished or not. Raises `StorageError` if it can't be read."""

    def __init__(self, path: Path, *, trusted: bool = False) -> None:
        """`trusted`: code that comes with the run's models may run here."""
        self.record = read_record(path)
        self._path = path
        refuse_imported(path, self.record, "rebuild")
        self._trusted = trusted
        self.config, _ = read_config(self.record.config, path)
        self._renderers: dict[Speaker, Renderer] = {}

    def session(self, session_id: str) -> Played:
        """A session as journalled. Raises `StorageError` for an unknown id."""
        found = self.sessions({session_id}).get(session_id)
        if found is None:
            known = (str(record["session_id"]) for _, record in read_journal(self._path) if record["session_id"])
            raise StorageError(f"{self._path}: no session {session_id!r}{did_you_mean(session_id, known)}")
        return found

    def sessions(self, ids: Collection[str]) -> dict[str, Played]:
        """The sessions with these ids that are in the journal."""
        return {session.spec.session_id: session for session in read_played(self._path, ids, finished=False)}

    def finished(self) -> Iterator[Played]:
        """The finished sessions, one at a time."""
        return read_played(self._path)

    def asked(self) -> list[tuple[str, int]]:
        """Session id and index of every turn that a model generated."""
        turns = (
            (record["session_id"], parse(TURN, record.get("turn"), place))
            for place, record in read_journal(self._path)
            if record["event"] == "turn" and record.get("view") is not None
        )
        return [(session_id, turn.index) for session_id, turn in turns if turn.prompt_tokens]

    def prompt(self, session: Played, index: int) -> Rebuilt:
        """The prompt of one turn. Raises `StorageError` for a turn that doesn't exist or that no model generated."""
        if not 0 <= index < len(session.turns):
            raise StorageError(f"--turn: expected 0 to {len(session.turns) - 1}, found {index}")
        turn = session.turns[index]
        if session.views[index] is None or not turn.prompt_tokens:
            if index < session.prefix and session.spec.branch is not None:
                raise StorageError(
                    f"--turn: turn {index} belongs to the session that this one branched from; see {_shown(session)}"
                )
            raise StorageError(f"--turn: turn {index} is a recorded line of the {turn.speaker}; no model generated it")
        messages, renderer = self.messages(session, index), self.renderer(turn.speaker)
        ids = renderer.render_full(messages)
        return Rebuilt(turn, tuple(messages), renderer.template.render(messages), tuple(ids))

    def messages(self, session: Played, index: int) -> list[Message]:
        """The messages of a turn's view. Raises `StorageError` if they can't be rebuilt."""
        turn, view = session.turns[index], session.views[index]
        speaker, said = turn.speaker, session.started.get(turn.speaker)
        try:
            if view is None or said is None:
                raise ValueError(f"the journal lacks what the {speaker}'s prompts begin with")
            renderer = self.renderer(speaker)
            return project(said["system"], said["opening"], speaker, session.turns[:index], view, renderer)
        except ValueError as error:
            raise StorageError(f"{self._path}: turn {index}: {error}; the journal is damaged") from error

    def seen_last(self, session_id: str) -> list[str] | None:
        """The texts of the last view that the therapist's model got; None if it got none."""
        session = self.session(session_id)
        asked = [i for i, turn in enumerate(session.turns) if turn.speaker is Speaker.THERAPIST and session.views[i]]
        return [message.content for message in self.messages(session, asked[-1])] if asked else None

    def renderer(self, speaker: Speaker) -> Renderer:
        """The renderer of a speaker, with the date of the run's prompts."""
        if speaker not in self._renderers:
            refuse_code(self.config, self._path, self._trusted)
            role = dict(self.config.roles())[speaker]
            role = located(speaker, role, recorded_contents(self.record), tokenizer_only=True)
            self._renderers[speaker] = load_renderer(role.model, self.record.started_at)
        return self._renderers[speaker]


def _shown(session: Played) -> str:
    """The command that shows the session in which the turns before a branch were made."""
    branch = session.spec.branch
    return f"python -m harness show {branch.run} {branch.session_id}" if branch else ""
