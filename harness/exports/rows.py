"""One row per view: the prompt, the completion, and everything known about that turn.

Invariants:
- `input_ids` are `prompt_ids` plus `completion_ids`; the mask covers exactly the completion with its stop token.
- A row whose turn has a fault is left out unless it is asked for, and counted.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from harness.agents.speaker import turn_seed
from harness.exports.prompts import Prompts
from harness.exports.runs import ExportedRun, Judged, Marked
from harness.exports.where import Where
from harness.guard.findings import FINDINGS
from harness.metrics.course import with_numbers
from harness.store.played import Played
from harness.types import FinishReason, Prompt, Sampled, Speaker, Turn

IGNORED = -100
"""Label of a token that is left out of the loss; PyTorch's own value."""


class Fault(StrEnum):
    """Why a turn is not a good example to train on."""

    MENDED = "mended"
    """A second draft, written under a correction."""
    CUT_OFF = "cut_off"
    EMPTY = "empty"
    ROLE_BREAK = "role_break"


@dataclass(slots=True)
class Counts:
    """Counts of the turns that were exported and left out."""

    kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    sessions: set[tuple[str, str]] = field(default_factory=set)
    """Run and session id of every exported row."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows to export."""

    side: Speaker = Speaker.THERAPIST
    where: Where | None = None
    faults: Collection[Fault] = ()
    """Turns with these faults are exported, too."""


def turns_of(run: ExportedRun, session: Played, wanted: Wanted, counts: Counts) -> list[int]:
    """Indices of the turns that make rows; counts the others by reason."""
    kept = []
    for index, turn in enumerate(session.turns):
        if turn.speaker is not wanted.side or index < session.prefix:
            continue
        if not run.imported and (session.views[index] is None or not turn.prompt_tokens):
            continue  # a recorded line: no model generated it
        found = [fault for fault in faults(session, index) if fault not in wanted.faults]
        if found:
            counts.left_out[found[0]] += 1
        elif wanted.where is not None and not wanted.where(facts(run, session, index)):
            counts.left_out["not in --where"] += 1
        else:
            kept.append(index)
    return kept


def faults(session: Played, index: int) -> list[Fault]:
    """The faults of a turn."""
    turn = session.turns[index]
    checks = (
        (Fault.EMPTY, not any(map(str.isalnum, turn.text))),
        (Fault.CUT_OFF, turn.finish_reason is FinishReason.LENGTH or "cut_off" in findings(session, index)),
        (Fault.ROLE_BREAK, "role_break" in findings(session, index)),
        (Fault.MENDED, session.drafts[index] not in (0, "0")),
    )
    return [fault for fault, found in checks if found]


def findings(session: Played, index: int) -> list[str]:
    """Kinds of the guard's findings in a turn, including those in discarded drafts."""
    speaker = session.turns[index].speaker
    kinds = {event.kind for event in session.events if event.turn == index and event.speaker is speaker}
    return [kind for kind in FINDINGS if kind in kinds]


def facts(run: ExportedRun, session: Played, index: int | None = None) -> dict[str, Any]:
    """The names and values that `--where` can use, of a turn or of a whole session."""
    spec = session.spec
    judged, marked = run.judged.get(spec.session_id, Judged()), run.marked.get(spec.session_id, Marked())
    found: dict[str, Any] = {
        "run": run.path.name,
        "session_id": spec.session_id,
        "persona_id": spec.persona_id,
        "seed": spec.seed,
        "source": str(spec.source),
        "stop_reason": str(session.stop_reason),
        "turns": len(session.turns),
        "variant": spec.branch.variant if spec.branch else None,
        "meta": dict(spec.meta),
        "metrics": session.metrics,
        "scores": _nested(judged.session),
        "labels": dict(marked.session),
        "reward": reward(session),
    }
    if index is None:
        return found
    turn = session.turns[index]
    found["labels"] |= marked.turns.get(index, {})
    return found | {
        "turn": index,
        "speaker": str(turn.speaker),
        "text": turn.text,
        "words": len(turn.text.split()),
        "finish_reason": str(turn.finish_reason),
        "draft": session.drafts[index],
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.completion_tokens,
        "evicted_turns": turn.evicted_turns,
        "findings": findings(session, index),
        "turn_scores": _nested(judged.turns.get(index, {})),
        "rewards": rewards(session, index),
    }


def rewards(session: Played, index: int) -> dict[str, float]:
    """The change of the patient's inner state from before a therapist turn to after it; empty for other turns."""
    if session.turns[index].speaker is not Speaker.THERAPIST or not 0 < index < len(session.turns) - 1:
        return {}
    before, after = session.turns[index - 1].patient_state, session.turns[index + 1].patient_state
    if not before or not after:
        return {}
    return {
        name: round(after[name] - before[name], 4)
        for name in ("trust", "hope", "distress", "openness", "overwhelm")
        if isinstance(before.get(name), int | float) and isinstance(after.get(name), int | float)
    }


def reward(session: Played) -> float | None:
    """The change of trust + hope - distress in the patient's inner state, up to the end of the session.

    It is measured from the first state, or, in a branch, from the last state before it. None without an inner state.
    """
    first = max(0, session.prefix - 1)
    states = with_numbers((turn.patient_state for turn in session.turns[first:]), "trust", "hope", "distress")
    if len(states) < 2:
        return None
    began, ended = (state["trust"] + state["hope"] - state["distress"] for state in (states[0], states[-1]))
    return round(float(ended - began), 4)


def rows(
    run: ExportedRun, prompts: Prompts, session: Played, wanted: Wanted, counts: Counts
) -> Iterator[dict[str, Any]]:
    """The rows of one session, in order."""
    indices = set(turns_of(run, session, wanted, counts))
    if not indices:
        return
    renderer = prompts.renderer(session, wanted.side)
    for index, prompt in prompts.of(session, wanted.side):
        if index not in indices:
            continue
        turn, sampled = session.turns[index], session.sampled[index]
        ids, end = completion_ids(turn, sampled, prompt, renderer)
        if end is None and Fault.CUT_OFF not in wanted.faults:
            counts.left_out[Fault.CUT_OFF] += 1
            continue
        counts.kept += 1
        counts.sessions.add((str(run.path), session.spec.session_id))
        canonical = list(renderer.encode(turn.text)) == ids
        yield row(run, session, index, prompt, [*ids, end] if end is not None else ids, canonical)


def completion_ids(turn: Turn, sampled: Sampled | None, prompt: Prompt, renderer: Any) -> tuple[list[int], int | None]:
    """The ids of a turn and the token that ended it (None if the turn met its bound): as sampled, or, if that is not
    known, as the tokenizer makes them."""
    known = sampled is not None and bool(sampled.ids)
    ids = list(sampled.ids) if sampled is not None and known else list(renderer.encode(turn.text))
    if turn.finish_reason is FinishReason.LENGTH or len(ids) >= prompt.max_new_tokens:
        return _as_said(ids, turn.text, renderer), None
    if sampled is not None and sampled.end_id is not None:
        return ids, sampled.end_id
    return ids, prompt.stop_ids[-1] if prompt.stop_ids else None


def _as_said(ids: list[int], text: str, renderer: Any) -> list[int]:
    """The ids up to the end of `text`, since a patient's turn that was cut off is shown to its last whole sentence. All ids
    if no token ends there."""
    for end in range(len(ids), 0, -1):
        decoded = renderer.decode(ids[:end]).strip()
        if decoded == text:
            return ids[:end]
        if len(decoded) < len(text):
            break
    return ids


def row(
    run: ExportedRun, session: Played, index: int, prompt: Prompt, completion: list[int], canonical: bool
) -> dict[str, Any]:
    """A row in its written form."""
    turn, sampled, spec = session.turns[index], session.sampled[index], session.spec
    ids = list(prompt.ids or ())
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    return {
        "messages": messages,
        "completion": turn.text,
        "prompt_ids": ids,
        "completion_ids": completion,
        "input_ids": ids + completion,
        "completion_mask": [0] * len(ids) + [1] * len(completion),
        "labels": [IGNORED] * len(ids) + completion,
        "logprobs": _logprobs(sampled, completion),
        "sampled": bool(sampled and sampled.ids),
        "canonical": canonical,
        "reasoning": turn.reasoning,
        "session_id": spec.session_id,
        "turn": index,
        "speaker": str(turn.speaker),
        "max_model_len": prompt.max_model_len,
        "max_new_tokens": prompt.max_new_tokens,
        **origin(run, session),
        "turn_seed": turn_seed(spec.seed, index, session.drafts[index]),
        "draft": str(session.drafts[index]),
        "finish_reason": str(turn.finish_reason),
        "prompt_sha256": hashlib.sha256(orjson.dumps(messages)).hexdigest(),
        "evicted_turns": turn.evicted_turns,
        **known_of(run, session, index),
    }


def _logprobs(sampled: Sampled | None, completion: list[int]) -> list[float] | None:
    """The log-probability of each token of the completion; None if not all of them are known."""
    if sampled is None or len(sampled.logprobs) < len(completion):
        return None
    if len(sampled.logprobs) > len(completion) and list(sampled.ids[: len(completion)]) != completion:
        return None
    return list(sampled.logprobs[: len(completion)])


def origin(run: ExportedRun, session: Played) -> dict[str, Any]:
    """The fields that say where a row comes from."""
    spec, record = session.spec, run.record
    model = record.provenance.models.get(str(Speaker.THERAPIST))
    return {
        "persona_id": spec.persona_id,
        "seed": spec.seed,
        "source": str(spec.source),
        "branch": f"{spec.branch.session_id}@{spec.branch.turn}.{spec.branch.variant}" if spec.branch else None,
        "run": run.path.name,
        "config_hash": record.config_hash,
        "model": model.path.rsplit("/", 1)[-1] if model else None,
        "model_sha256": model.sha256 if model else None,
        "licence": str(spec.meta["licence"]) if "licence" in spec.meta else None,
        "rights": str(spec.meta["source"]) if "source" in spec.meta else None,
    }


def known_of(run: ExportedRun, session: Played, index: int) -> dict[str, Any]:
    """Findings, scores and rewards of a turn: lists of one form, so that all rows have the same schema."""
    judged = run.judged.get(session.spec.session_id, Judged())
    scores = {**judged.session, **{f"{name}@turn": v for name, v in judged.turns.get(index, {}).items()}}
    return {
        "findings": findings(session, index),
        "scores": [{"name": name, "value": value} for name, value in sorted(scores.items())],
        "rewards": [{"name": name, "value": value} for name, value in sorted(rewards(session, index).items())],
    }


def _nested(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, value in scores.items():
        rubric, _, item = name.partition(".")
        found.setdefault(rubric, {})[item] = value
    return found
