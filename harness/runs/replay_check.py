"""Requests a sample of a run's turns again, and counts how many come out the same.

Invariants:
- A turn is requested as in the run: its prompt rebuilt from the journal, with its seed, sampling, bound and adapter, on
  the engine of the run.
- Turns are requested one after another, so that the answers depend on the engine only.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.agents.profile import whole_sentences
from harness.agents.speaker import turn_sampling, turn_seed, without_end
from harness.config.recorded import refuse_code
from harness.config.schema import RoleConfig
from harness.config.servers import refuse_server
from harness.context.send import send
from harness.engines.base import Engine
from harness.engines.events import Listener
from harness.engines.pool import EnginePool
from harness.errors import StorageError
from harness.models.located import located
from harness.runs.prepare import models_of
from harness.runs.resources import SharedResources
from harness.store.archive import Archive
from harness.store.identity import recorded_contents
from harness.store.played import Played
from harness.types import FinishReason, Request, Speaker


@dataclass(frozen=True, slots=True)
class Repeated:
    """A turn, and the text that came when it was requested again."""

    session_id: str
    turn: int
    speaker: Speaker
    recorded: str
    again: str

    @property
    def same(self) -> bool:
        return self.recorded == self.again

    @property
    def parts_at(self) -> int | None:
        """Index of the first character that differs; None if all are the same."""
        if self.same:
            return None
        pairs = enumerate(zip(self.recorded, self.again, strict=False))
        return next((i for i, (a, b) in pairs if a != b), min(len(self.recorded), len(self.again)))


async def repeat(
    path: Path,
    turns: int,
    *,
    listener: Listener,
    starting: Callable[[Speaker, RoleConfig], None],
    trusted: bool = False,
    server_trusted: bool = False,
) -> list[Repeated]:
    """Request at most `turns` turns of the run in `path` again, drawn from all its sessions, in order of the journal.

    `trusted`: code that comes with the run's models may run here. `server_trusted`: the server that the run names may get
    the key that it names. Raises `StorageError` if nothing can be repeated, `ConfigError` or `EngineError` if an engine
    can't be started or doesn't answer.
    """
    archive = Archive(path, trusted=trusted)
    refuse_code(archive.config, path, trusted)
    refuse_server(archive.config, path, trusted=server_trusted)
    chosen = _sample(archive, turns)
    sessions = archive.sessions({session_id for session_id, _ in chosen})
    speakers = sorted({sessions[session_id].turns[index].speaker for session_id, index in chosen})
    contents = recorded_contents(archive.record)
    roles = {speaker: located(speaker, dict(archive.config.roles())[speaker], contents) for speaker in speakers}
    _refuse_other_models(archive, roles)
    requests = list(_requests(archive, sessions, chosen))
    repeated = []
    async with EnginePool([*roles.values()], log_dir=path / "logs" / "replay-check", listener=listener) as pool:
        engines: dict[Speaker, Engine] = {}
        for speaker, role in roles.items():
            starting(speaker, role)
            engines[speaker] = await pool.acquire(role)
        for (session_id, index), request in zip(chosen, requests, strict=True):
            turn = sessions[session_id].turns[index]
            generation = await send(engines[turn.speaker], request)
            again, _ = without_end(generation.text)
            drawn = turn.speaker is Speaker.PATIENT and archive.config.patient.profile != "off"
            if drawn and generation.finish_reason is FinishReason.LENGTH:
                again = whole_sentences(again)  # as the patient does if its drawn length cuts off a sentence
            repeated.append(Repeated(session_id, index, turn.speaker, turn.text, again))
    return repeated


def _sample(archive: Archive, turns: int) -> list[tuple[str, int]]:
    """Session id and index of the turns to repeat; the same for every check of the same run."""
    asked = archive.asked()
    if not asked:
        raise StorageError("the journal holds no turn that a model generated; there is nothing to repeat")
    numbers = random.Random(0).sample(range(len(asked)), min(turns, len(asked)))
    return [asked[number] for number in sorted(numbers)]


def _refuse_other_models(archive: Archive, roles: Mapping[Speaker, RoleConfig]) -> None:
    """Raise `StorageError` if the files of a model are not those that the run was played with."""
    then, now = recorded_contents(archive.record), models_of(roles, SharedResources())
    lines = [
        f"{key}: its files are not those that the run was played with"
        for key in sorted(then.keys() & now.keys())
        if then[key] != now[key]
    ]
    if lines:
        raise StorageError(*lines)


def _requests(archive: Archive, sessions: Mapping[str, Played], chosen: list[tuple[str, int]]) -> Iterator[Request]:
    """The requests for the chosen turns."""
    roles = dict(archive.config.roles())
    for session_id, index in chosen:
        session = sessions[session_id]
        rebuilt, draft = archive.prompt(session, index), session.drafts[index]
        turn, role = rebuilt.turn, roles[rebuilt.turn.speaker]
        if len(rebuilt.ids) != turn.prompt_tokens and role.engine.kind != "openai":
            raise StorageError(
                f"{session_id}: the prompt of turn {index} has {len(rebuilt.ids)} tokens, but {turn.prompt_tokens} are "
                "recorded: its tokenizer or chat template has changed since the run"
            )
        yield Request(
            archive.renderer(turn.speaker).prompt(
                rebuilt.messages,
                rebuilt.ids,
                max_new_tokens=turn.max_new_tokens,
                max_model_len=turn.max_model_len,
            ),
            turn_sampling(role.sampling.sampling(), draft),
            turn_seed(session.started["seed"], index, draft),
            f"{session_id}/{index}/replay",
            adapter=str(role.model.adapter) if role.model.adapter else None,
        )
