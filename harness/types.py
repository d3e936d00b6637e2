"""The nouns that every other module imports. Plain, frozen, and free of heavy imports.

Invariants:
- A `Turn` is text that a speaker said. Errors, retries and refusals are never turns.
- History is a sequence of turns that only grows; a `View` chooses from it and never changes it.
- `prompt_tokens + max_new_tokens <= max_model_len` holds for every `Prompt` that reaches an engine.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Speaker(StrEnum):
    """Who says a turn."""

    PATIENT = "patient"
    THERAPIST = "therapist"

    @property
    def other(self) -> "Speaker":
        return Speaker.THERAPIST if self is Speaker.PATIENT else Speaker.PATIENT


class StopReason(StrEnum):
    """Why a session ended. Closed: a failure is not a stop reason, it is a `Failure`."""

    MAX_EXCHANGES = "max_exchanges"
    PATIENT_ENDED = "patient_ended"
    THERAPIST_ENDED = "therapist_ended"
    LOOP = "loop"
    RISK_POLICY = "risk_policy"
    TRANSCRIPT_EXHAUSTED = "transcript_exhausted"


class Source(StrEnum):
    """Where the turns of a session come from."""

    SIMULATED = "simulated"
    REPLAYED = "replayed"
    """The patient's lines are recorded; the therapist's are not."""
    IMPORTED = "imported"
    """All lines are of other origin; no model of ours said any."""
    BRANCHED = "branched"
    """Goes on from a turn of another session."""
    HUMAN = "human"


class FinishReason(StrEnum):
    """Why the model stopped writing: at an end-of-turn token, or at `max_new_tokens`."""

    STOP = "stop"
    LENGTH = "length"


Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message as a model's template takes it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """How a model's answer is told from its reasoning. Found by rendering its chat template."""

    awaits: str | None = None
    """The marker that opens reasoning at the end of the prompt, as `<think>`; None where there is none."""
    header: str | None = None
    """What the model itself writes before its answer, as harmony's `<|channel|>final<|message|>`; None for nothing."""
    special: tuple[str, ...] = ()
    """The tokenizer's special tokens, where some of them tell reasoning and an engine must not skip them; else empty."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one request sends: a rendered view that is known to fit. Made by `context` only."""

    messages: tuple[Message, ...]
    """The view as chat messages, system message first where the template has one."""
    ids: Sequence[int] | None
    """The token ids, or None for a remote server whose tokenizer is not at hand."""
    tokens: int
    """Prompt length in tokens: `len(ids)`, or the estimate with its margin where `ids` is None."""
    max_new_tokens: int
    max_model_len: int
    stop_ids: tuple[int, ...] = ()
    """Tokens that end the answer by the chat template; a model's own settings may know others, or none."""
    stop_texts: tuple[str, ...] = ()
    """Text that ends the answer by the chat template, where it ends with no token: `<|im_end|>` on a tokenizer without it."""
    answer: AnswerFormat = AnswerFormat()
    template_args: Mapping[str, Any] = field(default_factory=dict)
    """What the chat template was given besides messages; a server that applies it itself is told the same."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw tokens. None leaves the engine's own default in place: a server is sent nothing."""

    temperature: float | None = 0.7
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    avoid_said: float = 1.0
    """Least repetition penalty of a second draft; it also counts tokens of the prompt. Engines without such a penalty ignore
    it."""
    stop: tuple[str, ...] = ()
    """Strings that end the turn; they are not part of its text."""

    @property
    def penalty(self) -> float:
        """Repetition penalty with all that counts; 1 for none."""
        own = self.repetition_penalty or 1.0
        return own if self.avoid_said == 1.0 else max(own, self.avoid_said)


class Purpose(StrEnum):
    """What a request is for; usage is counted by it."""

    TURN = "turn"
    REJECTED_DRAFT = "rejected_draft"
    """A draft that did not become the turn. Set afterwards: no request is sent with it."""
    NOTE = "note"
    APPRAISAL = "appraisal"
    CHECK = "check"
    JUDGE = "judge"
    NARRATIVE = "narrative"
    HANDOVER = "handover"


@dataclass(frozen=True, slots=True)
class RequestUsage:
    """What answered requests cost."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of those answers that tell."""
    completion_tokens: int = 0

    def __add__(self, other: "RequestUsage") -> "RequestUsage":
        return RequestUsage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: "RequestUsage") -> "RequestUsage":
        return RequestUsage(
            self.requests - other.requests,
            self.prompt_tokens - other.prompt_tokens,
            self.cached_tokens - other.cached_tokens,
            self.completion_tokens - other.completion_tokens,
        )

    def fields(self) -> dict[str, int]:
        """For a journal line."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
        }


NOTHING = RequestUsage()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one engine."""

    prompt: Prompt
    sampling: Sampling
    seed: int
    """Derived from run seed, persona, session and turn: the same turn always has the same seed."""
    request_id: str
    """`SESSION_ID/TURN_INDEX`, with a suffix for a summary or a judgement; unique among requests in flight."""
    json_schema: Mapping[str, Any] | None = None
    """Constrain the answer to this JSON schema."""
    adapter: str | None = None
    """Folder of a LoRA adapter on the engine's base model."""
    purpose: Purpose = Purpose.TURN
    logprobs: bool = False
    """Also give the log-probability of every sampled token."""


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt at a request that failed, after which it was sent again."""

    reason: str
    wait_s: float
    """From the failure to the next attempt."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What an engine answers."""

    text: str
    token_ids: tuple[int, ...]
    """The ids as sampled, without the end-of-turn token; empty for a server that gives none. Where `text` is only a part of
    what was sampled (reasoning, a stop string), they are still all of it."""
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = 0
    """Prompt tokens served from the engine's prefix cache; None where it does not tell."""
    latency_s: float = 0.0
    reasoning: str | None = None
    """Reasoning text of the model, kept out of the dialogue."""
    retries: tuple[Retry, ...] = ()
    """The attempts that failed before this answer, in order."""
    counted: bool = True
    """Whether `prompt_tokens` is the engine's own count, and not ours for want of one."""
    wasted: RequestUsage = NOTHING
    """The cost of earlier answers to this request that could not be used, such as empty ones."""
    end_id: int | None = None
    """The sampled token that ended the turn; None where there was none, or the engine doesn't tell."""
    logprobs: tuple[float, ...] = ()
    """Natural logarithms, of the model's own distribution before temperature and cuts: one for each of `token_ids`, and
    one for `end_id` where there is one. Empty where they were not asked for."""

    @property
    def usage(self) -> RequestUsage:
        """Its cost, unusable answers included."""
        return self.wasted + RequestUsage(1, self.prompt_tokens, self.cached_tokens or 0, self.completion_tokens)

    @property
    def sampled(self) -> "Sampled":
        """What training needs of it besides its text."""
        return Sampled(self.token_ids, self.end_id, self.logprobs)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A turn as its model sampled it; the fields are those of `Generation`."""

    ids: tuple[int, ...] = ()
    end_id: int | None = None
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """Which part of a history one speaker's model gets for its next turn.

    A view and the history are all that is needed to rebuild a prompt exactly, so every turn's journal line
    holds the view that it was made with.
    """

    pinned: int = 0
    """The first `pinned` turns are in the view (the opening exchange)."""
    first: int = 0
    """Turns from this index on are in the view; those between `pinned` and `first` were evicted."""
    note: str | None = None
    """A summary that stands for the evicted turns."""
    noted: int = 0
    """Turns before this index that were evicted are in the note, or were given up."""
    direction: str | None = None
    """A direction to the speaker for this turn only."""
    message_cap: int | None = None
    """A longer message (in tokens of its text) is shortened in its middle."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. The fields are those of a line of sessions.jsonl (contract)."""

    index: int
    speaker: Speaker
    text: str
    prompt_tokens: int = 0
    cached_tokens: int | None = 0
    """None where the engine does not tell."""
    completion_tokens: int = 0
    max_new_tokens: int = 0
    max_model_len: int = 0
    finish_reason: FinishReason = FinishReason.STOP
    latency_s: float = 0.0
    evicted_turns: int = 0
    """How many turns of the history were not in the view."""
    summary_tokens: int = 0
    """Tokens of the note in the view; 0 without one."""
    patient_state: Mapping[str, Any] | None = None
    reasoning: str | None = None
    """What the model thought before it spoke; never part of the dialogue, and None where it thought nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a session and is not a turn."""

    kind: str
    """`loop`, `role_break`, `echo`, `compaction`, `retry`, `nudge`, `refusal`, ..."""
    turn: int
    """Index of the turn that it belongs to."""
    speaker: Speaker
    data: Mapping[str, Any] = field(default_factory=dict)
    """What belongs to the kind; flattened into the event's JSON object."""


@dataclass(frozen=True, slots=True)
class Branch:
    """From where a session branches off."""

    run: str
    """Folder of the run that holds the other session."""
    session_id: str
    turn: int
    """Index of the first turn that is said anew; those before it are the other session's."""
    variant: int
    """0-based number among the branches from this turn; 0 has the seed of the other session."""
    exchanges: int | None = None
    """How many exchanges are said anew at most, that of the first new turn counted; None goes on to the end."""


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """One session of a plan."""

    session_id: str
    """Stable: the same config gives the same ids, on any machine and in any order."""
    persona_id: str
    seed: int
    index: int
    """0-based number among the sessions (or the courses) of this persona."""
    course: str | None = None
    """Id of the course of therapy that it belongs to; None for a session of its own."""
    number: int = 1
    """Its place in that course, from 1."""
    source: Source = Source.SIMULATED
    branch: Branch | None = None
    """Of a branched session; None for any other."""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What is known of an imported session besides its turns, as `licence`; empty for any other."""


HANDOVER = "handover"
"""Kind of the event with which a session of a course leaves something to the next."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What the sessions of a course so far leave to the next one."""

    note: str
    """What happened in them, for both speakers."""
    state: Mapping[str, Any] | None = None
    """The patient's inner state as it comes back, in the form of `Turn.patient_state`; None without one."""


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A session that came to its end."""

    spec: SessionSpec
    stop_reason: StopReason
    turns: tuple[Turn, ...]
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A session that failed: data of its own, never dialogue."""

    spec: SessionSpec
    error: str
    """Class of the error."""
    message: str
    where: str
    """`patient`, `therapist`, `summary`, ... and the index of the turn being made, as in `therapist/7`."""
    turns: tuple[Turn, ...]


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on every part and on nothing else, on any machine."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1
