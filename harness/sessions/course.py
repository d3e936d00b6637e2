"""A course of therapy: the handover from one session to the next.

Invariants:
- A handover is an event of the session that ends, so it is in the journal before the next session begins.
- It contains all that the next session needs: both speakers' prompts and the patient's state follow from it.
- A note is never empty and never longer than its bound, with or without a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from harness.config.guard import GuardConfig
from harness.config.schema import CourseConfig
from harness.context.ask import NoAnswer
from harness.context.render.renderer import Renderer
from harness.context.summary import SENTENCE_END, Summarizer, clip
from harness.guard.features import features
from harness.guard.loops import SpeakerHistory
from harness.metrics.retention import facts
from harness.sessions.loop import Session
from harness.types import HANDOVER, Event, Handover, Speaker, Turn, derive_seed

OLD_SHARE = 0.4
"""Share of a digest for the sessions before the last one."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a session knows about the earlier sessions of its course."""

    note: str
    told: int
    """Number of layers that the patient told in them."""
    number: int
    """1-based number of the current session, at least 2."""
    course: CourseConfig

    @classmethod
    def of(cls, before: Handover, number: int, course: CourseConfig) -> Self:
        told = before.state["told"] if before.state else 0
        return cls(before.note, int(told), number, course)


def handover_of(event: Event) -> Handover:
    """The handover in a `handover` event."""
    return Handover(str(event.data["note"]), event.data.get("state"))


def following(session: Session, events: Sequence[Event]) -> Session | None:
    """The next session of the course, after one with these `events`; None after the last."""
    if not session.rest:
        return None
    handed = next(event for event in reversed(events) if event.kind == HANDOVER)
    return Session(session.rest[0], before=handover_of(handed), rest=session.rest[1:])


class HandoverWriter:
    """Writes the handovers between the sessions of a run."""

    def __init__(self, summarizer: Summarizer | None, renderer: Renderer, bound: int) -> None:
        """A note has at most `bound` tokens of `renderer`; without a `summarizer` it is a digest."""
        self._summarizer = summarizer
        self._renderer = renderer
        self._bound = bound

    async def write(self, session: Session, state: object) -> Event:
        """The handover event after a finished session; `state` is the patient's state for the next one.

        Raises `EngineUnavailable` if the engine is lost for all sessions.
        """
        data: dict[str, object] = {"by": "digest"}
        old = session.before.note if session.before else None
        text = None
        if self._summarizer is not None:
            try:
                note = await self._summarizer.note(
                    session.turns,
                    old,
                    self._bound,
                    seed=derive_seed(session.spec.seed, HANDOVER),
                    request_id=f"{session.spec.session_id}/{HANDOVER}",
                )
                text = note.text
                data = {"by": "model", "pieces": note.pieces, "summary_prompt_tokens": note.prompt_tokens}
                data["summary_completion_tokens"] = note.completion_tokens
                if note.retries:
                    data["retries"] = [retry.reason for retry in note.retries]
                if _stutters(note.text):
                    text, data = None, data | {"by": "digest", "reason": "the note repeats itself"}
            except NoAnswer as error:
                data["reason"] = str(error)
        if text is None:
            text = digest(session.turns, old, session.spec.number, self._bound, self._renderer)
        data |= {"note": text, "note_tokens": self._renderer.count_text(text), "state": state}
        return Event(HANDOVER, len(session.turns) - 1, Speaker.THERAPIST, data)


def digest(turns: Sequence[Turn], old: str | None, number: int, bound: int, renderer: Renderer) -> str:
    """A note by rules, in at most `bound` tokens: the `old` note, then the patient's sentences with most facts.

    Sentences are in the order of the session. Facts are names, times, numbers, quotes and plans. The old note is cut to
    `OLD_SHARE` of the bound.
    """
    before = clip(old, int(bound * OLD_SHARE), renderer.count_text) if old else ""
    head = f"{before}\nSession {number}, the patient said:" if before else f"Session {number}, the patient said:"
    said = [sentence for turn in turns if turn.speaker is Speaker.PATIENT for sentence in _sentences(turn.text)]
    last = len(said) - 1
    rank = sorted(range(len(said)), key=lambda i: (-len(facts([said[i]])), i not in (0, last), i))
    chosen: list[int] = []
    for i in rank:
        if renderer.count_text(_written(head, said, [*chosen, i])) <= bound:
            chosen.append(i)
    if said and not chosen:
        return renderer.shorten(said[0], bound)
    return _written(head, said, chosen) if said else renderer.shorten(f"{head} nothing.", bound)


def _stutters(text: str) -> bool:
    """Whether a note repeats itself, by the guard's rule for `stutter` with default settings."""
    return SpeakerHistory(Speaker.THERAPIST, GuardConfig()).stutters(features(0, text)) is not None


def _written(head: str, said: Sequence[str], chosen: Sequence[int]) -> str:
    return " ".join([head, *(said[i] for i in sorted(chosen))])


def _sentences(text: str) -> list[str]:
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    parts = (text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    return [part for part in parts if any(map(str.isalnum, part))]
