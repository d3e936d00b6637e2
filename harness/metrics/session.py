"""The metrics of one session: a dict that is stored in its line of sessions.jsonl."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from harness.guard.findings import FINDINGS
from harness.hearing.words import is_short_answer
from harness.metrics.conduct import Conduct, conduct
from harness.metrics.course import course
from harness.metrics.echo import echoes
from harness.metrics.ngrams import Words
from harness.metrics.registry import SessionData, add_own, headline
from harness.metrics.repetition import repetitions
from harness.metrics.retention import retention
from harness.metrics.speech import count_repeating, speech
from harness.metrics.usage import usage
from harness.text.words import Said, parse
from harness.types import Event, Speaker, StopReason, Turn

METRICS_VERSION = 2
"""Increases when a definition changes; values of different versions must not be compared."""


@headline(
    "exchanges",
    label="exchanges",
    group="Session",
)
def session_metrics(
    turns: Sequence[Turn],
    events: Sequence[Event] = (),
    stop_reason: StopReason | None = None,
    *,
    final_view: Sequence[str] | None = None,
    repeating: Mapping[Speaker, int] | None = None,
    said: Sequence[Said] | None = None,
    done: Conduct | None = None,
) -> dict[str, Any]:
    """All metrics of a session; the same turns and events always give the same dict.

    `final_view` contains the texts that the therapist's model saw last (note and turns); without it, retention is None.
    `repeating`, `said` and `done` are results from the run that need not be computed again: the guard's count of
    repeating turns, its parsed turns, and the measures of the therapist's acts.
    """
    said = said or [parse(turn.text).said for turn in turns]
    words = Words.number_all([turn.words for turn in said])
    known = dict(zip([turn.text for turn in turns], said, strict=True))
    places = {speaker: [i for i, turn in enumerate(turns) if turn.speaker == speaker] for speaker in Speaker}
    exchanges = sum(a.speaker == Speaker.PATIENT != b.speaker for a, b in pairwise(turns))
    echoed = echoes(words)
    states = [turn.patient_state for turn in turns if turn.patient_state is not None]
    repeating = repeating or count_repeating(turns)
    answers = {place for place, turn in enumerate(said) if is_short_answer(turn.words)}
    again = dict(zip(Speaker, repetitions(words, list(places.values()), answers), strict=True))
    spoken = {
        speaker: speech([said[place] for place in own], words.number.size, again[speaker], repeating[speaker])
        for speaker, own in places.items()
    }
    echo = {speaker: _mean(echoed[place] for place in places[speaker]) for speaker in Speaker}
    metrics: dict[str, Any] = {
        "metrics_version": METRICS_VERSION,
        "exchanges": exchanges,
        "ending": None if stop_reason is None else str(stop_reason),
        "patient": {**spoken[Speaker.PATIENT], "echo": echo[Speaker.PATIENT]},
        "therapist": {
            **spoken[Speaker.THERAPIST],
            "echo": echo[Speaker.THERAPIST],
            **conduct(turns, said, done),
        },
        "guard": _findings(events),
        "course": course(states),
        "usage": usage(turns),
        "compactions": sum(event.kind == "compaction" for event in events),
        "retention": None if final_view is None else retention(turns, final_view, known).as_dict(),
    }
    add_own(metrics, SessionData(turns, events, stop_reason))
    return metrics


KEPT = ("patient_verdict", "patient_faults")
"""Measured with the persona, by `harness.agents.verdict`; its rules have no version here."""


def measured_again(
    turns: Sequence[Turn],
    events: Sequence[Event],
    stop_reason: StopReason | None,
    older: Mapping[str, Any],
    final_view: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The metrics of a session, measured again with this version.

    What the turns do not tell is kept: the verdict on the patient, and retention, unless there is a `final_view`.
    """
    metrics = session_metrics(turns, events, stop_reason, final_view=final_view)
    kept = {name: older[name] for name in KEPT if name in older}
    return {**metrics, **kept, **({"retention": older.get("retention")} if final_view is None else {})}


@headline(
    "guard.role_break.turns",
    label="turns out of role",
    group="Roles",
    better="lower",
)
def _findings(events: Sequence[Event]) -> dict[str, Any]:
    """Numbers of turns with each finding, by speaker, and the turn of the first loop."""
    kinds = set(FINDINGS)
    turns = {(event.kind, str(event.speaker), event.turn) for event in events if event.kind in kinds}
    counts = Counter(kind for kind, _, _ in turns)
    by_speaker = Counter((kind, speaker) for kind, speaker, _ in turns)
    return {
        **{
            kind: {"turns": counts[kind], **{str(s): by_speaker[kind, str(s)] for s in Speaker}}
            for kind in FINDINGS
            if counts[kind]
        },
        "first_loop_turn": min((event.turn for event in events if event.kind == "loop"), default=None),
        "nudges": sum(event.kind == "nudge" for event in events),
        "retries": sum(event.kind == "retry" and event.data.get("by") == "guard" for event in events),
    }


def _mean(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return round(sum(known) / len(known), 4) if known else None
