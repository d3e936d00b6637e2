"""What happens when a view is full: `truncate`, `summarize`, `hybrid` or `none`.

A policy gets the view as truncation would leave it, and returns the view to use. All shrink to the same low-water mark
by whole exchanges. `summarize` and `hybrid` replace the evicted turns by a note. If there is no usable note, both
truncate and keep the old note. They differ in what happens to the turns that the note then lacks:

- `summarize`: the next compaction summarizes them too, so that the note covers everything again;
- `hybrid`: they are given up. Every turn is summarized at most once, so a failing summarizer costs one attempt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from harness.config.plugins import POLICIES, blamed, named
from harness.config.schema import ContextConfig
from harness.context.ask import NoAnswer
from harness.context.summary import Summarizer, clip
from harness.errors import ConfigError, ContextOverflow, HarnessError
from harness.types import Retry, Turn, View


@dataclass(frozen=True, slots=True)
class Compaction:
    """A full view, and what a policy needs to replace it."""

    before: View
    after: View
    """The view as truncation leaves it, with the old note."""
    unnoted: Sequence[Turn]
    """Turns that are not in `after` and not in its note."""
    tokens: int
    """Length of the prompt that is too long."""
    budget: int
    """Most tokens that a prompt may have."""
    note_bound: int
    """Most tokens of a note."""
    count: Callable[[str], int]
    """Counts the tokens of a text, for the model that gets the view."""
    seed: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Compacted:
    """The view that a policy chose, and what its note cost."""

    view: View
    fallback: str | None = None
    """Why the policy failed to write a new note; None if it did not fail."""
    pieces: int = 0
    """Number of requests for the note."""
    prompt_tokens: int = 0
    """Sum over all requests for the note."""
    completion_tokens: int = 0
    retries: tuple[Retry, ...] = ()
    """Failed attempts of all requests for the note."""


class Policy(Protocol):
    """How a full view becomes one that fits."""

    @property
    def name(self) -> str: ...

    @property
    def note_tokens(self) -> int:
        """Tokens that every prompt reserves for a note; 0 if the policy writes none."""
        ...

    @property
    def shortens(self) -> bool:
        """Whether the policy shortens messages that are too long."""
        ...

    async def compact(self, full: Compaction) -> Compacted: ...


@dataclass(frozen=True, slots=True)
class Truncate:
    """Leave out the oldest exchanges."""

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
    """Replace evicted turns by a running note."""

    summarizer: Summarizer
    name: str
    catches_up: bool
    """Whether the turns of a failed summary are summarized by the next one."""
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
        noted = full.before.noted if self.catches_up else full.after.first
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
    """Register a class (or a function) that makes a `Policy` from a `ContextConfig`: `context=NAME` chooses it.

    With `notes` it also gets a `Summarizer`.
    """

    def register(make: P) -> P:
        POLICIES.add(name, PolicyType(name, make, notes), make)
        return make

    return register


def policy_type(config: ContextConfig) -> PolicyType:
    """The policy that a config names. Raises `ConfigError` if it is unknown."""
    found: PolicyType = POLICIES.get(config.policy)
    return found


class _Plugged:
    """A policy of a plug-in, with its mistakes told as its own."""

    def __init__(self, found: PolicyType, *given: object) -> None:
        """Make the policy. Raises `ConfigError`."""
        self._named = named("context policy", found.name, found.make)
        with blamed(self._named, ConfigError):
            policy = found.make(*given)
            self.name, self.note_tokens, self.shortens = policy.name, policy.note_tokens, policy.shortens
            self._compact = policy.compact

    async def compact(self, full: Compaction) -> Compacted:
        with blamed(self._named, HarnessError):
            done = await self._compact(full)
            if not isinstance(done, Compacted):
                raise TypeError(f"compact: expected a Compacted, found {type(done).__name__} {done!r:.40}")
        return done


def make_policy(config: ContextConfig, summarizer: Summarizer | None) -> Policy:
    """The policy of a config. Raises `ValueError` if it writes notes and there is no summarizer."""
    found = policy_type(config)
    if found.notes and summarizer is None:
        raise ValueError(f"context={config.policy} needs a summarizer")
    given = (config, summarizer) if found.notes else (config,)
    return _Plugged(found, *given) if found.name in POLICIES.added() else found.make(*given)


@context_policy("truncate")
def _truncate(config: ContextConfig) -> Policy:
    return Truncate()


@context_policy("none")
def _none(config: ContextConfig) -> Policy:
    return Refuse()


@context_policy("summarize", notes=True)
def _summarize(config: ContextConfig, summarizer: Summarizer) -> Policy:
    return Summarize(summarizer, "summarize", catches_up=True)


@context_policy("hybrid", notes=True)
def _hybrid(config: ContextConfig, summarizer: Summarizer) -> Policy:
    return Summarize(summarizer, "hybrid", catches_up=False)
