"""What happens when a view is full: `truncate`, `summarize`, `hybrid` or `none`.

A policy is handed the view as truncation would leave it, and answers with the view to use. All shrink to the same
low-water mark by whole exchanges. `summarize` and `hybrid` put a note in the place of what left; where no usable note
comes back both truncate and keep the old note, and they differ in what happens to the turns that the note misses:

- `summarize` owes them: the next compaction summarizes them too, so that the note covers everything again;
- `hybrid` lets them go: every turn is summarized at most once, so a summarizer that fails costs one attempt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from harness.config.plugins import POLICIES
from harness.config.schema import ContextConfig
from harness.context.ask import NoAnswer
from harness.context.summary import Summarizer, clip
from harness.errors import ContextOverflow
from harness.types import Retry, Turn, View


@dataclass(frozen=True, slots=True)
class Compaction:
    """A view that is full, and what is to happen to it."""

    before: View
    after: View
    """As truncation leaves it, with the old note."""
    unnoted: Sequence[Turn]
    """Turns that are not in `after` and not in its note."""
    tokens: int
    """Of the prompt that is too long."""
    budget: int
    """Most tokens that a prompt may have."""
    note_bound: int
    """Most tokens of a note."""
    count: Callable[[str], int]
    """Tokens of a text for the model that gets the view."""
    seed: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a policy decided."""

    view: View
    fallback: str | None = None
    """Why there is no new note where there should be one."""
    pieces: int = 0
    """Requests that the note took."""
    prompt_tokens: int = 0
    """Of all requests for the note."""
    completion_tokens: int = 0
    retries: tuple[Retry, ...] = ()
    """Of all requests for the note."""


class Policy(Protocol):
    """How a full view becomes one that fits."""

    @property
    def name(self) -> str: ...

    @property
    def note_tokens(self) -> int:
        """Room that every prompt keeps for a note; 0 without notes."""
        ...

    @property
    def shortens(self) -> bool:
        """Whether a message that is too long is shortened."""
        ...

    async def compact(self, full: Compaction) -> Compacted: ...


@dataclass(frozen=True, slots=True)
class Truncate:
    """Leave the oldest exchanges out."""

    name: str = "truncate"
    note_tokens: int = 0
    shortens: bool = True

    async def compact(self, full: Compaction) -> Compacted:
        return Compacted(full.after)


@dataclass(frozen=True, slots=True)
class Refuse:
    """`none`: nothing is left out; a full view ends the session with a failure."""

    name: str = "none"
    note_tokens: int = 0
    shortens: bool = False

    async def compact(self, full: Compaction) -> Compacted:
        raise ContextOverflow(
            f"context=none: the prompt has {full.tokens} tokens and at most {full.budget} fit; "
            "choose context=truncate, summarize or hybrid, or a larger engine.max_model_len"
        )


@dataclass(frozen=True, slots=True)
class Summarize:
    """Replace what is left out by a running note."""

    summarizer: Summarizer
    name: str
    owes: bool
    """Whether turns that a failed summary missed are summarized the next time."""
    shortens: bool = True

    @property
    def note_tokens(self) -> int:
        return self.summarizer.note_tokens

    async def compact(self, full: Compaction) -> Compacted:
        if not full.unnoted:
            return Compacted(full.after)
        try:
            note = await self.summarizer.note(
                full.unnoted, full.after.note, full.note_bound, seed=full.seed, request_id=full.request_id
            )
            text = clip(note.text, full.note_bound, full.count)
        except NoAnswer as error:
            return self._truncated(full, str(error))
        if not text:
            return self._truncated(full, f"the note came back longer than {full.note_bound} tokens")
        view = replace(full.after, note=text, noted=full.after.first)
        return Compacted(view, None, note.pieces, note.prompt_tokens, note.completion_tokens, note.retries)

    def _truncated(self, full: Compaction, why: str) -> Compacted:
        noted = full.before.noted if self.owes else full.after.first
        return Compacted(replace(full.after, noted=noted), fallback=why)


@dataclass(frozen=True, slots=True)
class PolicyType:
    """A registered policy: how to make it, and whether it writes notes."""

    name: str
    make: Callable[..., Policy]
    notes: bool
    """Whether `make` also gets a summarizer, and every prompt keeps `context.note_tokens` free for its note."""


P = TypeVar("P", bound=Callable[..., Policy])


def context_policy(name: str, *, notes: bool = False) -> Callable[[P], P]:
    """Register a class (or a function) that makes a `Policy` of a `ContextConfig`: `context=NAME` chooses it.

    With `notes` it gets a `Summarizer`, too.
    """

    def register(make: P) -> P:
        POLICIES.add(name, PolicyType(name, make, notes), make)
        return make

    return register


def policy_type(config: ContextConfig) -> PolicyType:
    """The policy that a config names. Raises `ConfigError`."""
    found: PolicyType = POLICIES.get(config.policy)
    return found


def make_policy(config: ContextConfig, summarizer: Summarizer | None) -> Policy:
    """The policy of a config; those with notes need a summarizer."""
    found = policy_type(config)
    if not found.notes:
        return found.make(config)
    if summarizer is None:
        raise ValueError(f"context={config.policy} needs a summarizer")
    return found.make(config, summarizer)


@context_policy("truncate")
def _truncate(config: ContextConfig) -> Policy:
    return Truncate()


@context_policy("none")
def _none(config: ContextConfig) -> Policy:
    return Refuse()


@context_policy("summarize", notes=True)
def _summarize(config: ContextConfig, summarizer: Summarizer) -> Policy:
    return Summarize(summarizer, "summarize", owes=True)


@context_policy("hybrid", notes=True)
def _hybrid(config: ContextConfig, summarizer: Summarizer) -> Policy:
    return Summarize(summarizer, "hybrid", owes=False)
