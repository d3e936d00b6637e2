"""One speaker's context in one session: from the history to an answer, through a view that always fits.

Invariants:
- History is never changed; a view only moves forward, by whole exchanges.
- Between compactions every prompt begins with the one before it (except for a direction, which is for one turn only).
- The view in an answer, with the history, system text and opening, is enough to rebuild its prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Any

from harness.context.budget import Budget, Window
from harness.context.cut import Rising
from harness.context.meter import Meter
from harness.context.policies import Compacted, Compaction, Policy
from harness.context.preamble import Preamble
from harness.context.render.incremental import Rendering
from harness.context.send import deliver, retry_events
from harness.context.view import EXCHANGE, aside, check_view, framed, last_exchange, spoken
from harness.engines.base import Engine
from harness.errors import ContextOverflow, PromptRefused
from harness.types import Event, Generation, Message, Prompt, Request, Sampling, Turn, View

SMALLEST_MESSAGE = 4
"""No message is shortened to fewer tokens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine generated for a turn, and the prompt and view it was generated from."""

    generation: Generation
    prompt: Prompt
    view: View
    events: tuple[Event, ...]
    evicted_turns: int
    """How many turns of the history were not in the view."""
    summary_tokens: int
    """Tokens of the note in the view; 0 if there is none."""


class ContextManager:
    """Keeps one speaker's view of one session within its window and asks its engine for turns."""

    def __init__(
        self,
        preamble: Preamble,
        engine: Engine,
        window: Window,
        policy: Policy,
        *,
        sampling: Sampling,
        max_new_tokens: int,
        low_water: float = 0.6,
        direction_tokens: int = 0,
        adapter: str | None = None,
        logprobs: bool = False,
        label: str = "",
        meter: Meter | None = None,
    ) -> None:
        """`window` is shared by all sessions on `engine`; `direction_tokens` is the length of the longest direction."""
        self.preamble = preamble
        self.engine = engine
        self.window = window
        self.policy = policy
        self.sampling = sampling
        self.max_new_tokens = max_new_tokens
        self.low_water = low_water
        self.direction_tokens = direction_tokens
        self.adapter = adapter
        self.logprobs = logprobs
        self.meter = meter
        self.label = label or str(preamble.speaker)
        self._base = preamble.base_tokens(note=policy.note_tokens > 0, direction_tokens=direction_tokens)
        self._overhead = preamble.message_overhead
        self._view = View(message_cap=self._message_cap())
        self._note_tokens = 0
        self._rendering: Rendering | None = preamble.shortest
        """The rendering of the last view, without its direction."""
        self._events: list[Event] = []
        """Events since the last answer; kept if an engine failure makes the turn be requested again."""
        self._rising = Rising()
        """The engine's token counts for prompts of the present view."""
        self._messages: list[Message] = []
        """The turns of the last view as messages, so that a longer history costs only its new turns."""
        self._messages_for: tuple[View, Sequence[Turn]] | None = None
        """The view and the history of `_messages`."""

    @property
    def view(self) -> View:
        """The view of the last turn, without its direction."""
        return self._view

    def restore(self, view: View) -> None:
        """Continue from the view of a journalled turn."""
        self._view = replace(view, direction=None, message_cap=view.message_cap or self._message_cap())
        self._note_tokens = self._count_note()
        self._rendering = None
        self._messages_for = None

    def settle(self, view: View) -> None:
        """Commit the answer with this view as the turn; discard what later answers to the same history changed."""
        if view is not self._view and replace(view, direction=None) != self._view:
            self.restore(view)

    async def answer(
        self,
        history: Sequence[Turn],
        *,
        seed: int,
        request_id: str,
        direction: str | None = None,
        json_schema: Mapping[str, Any] | None = None,
        sampling: Sampling | None = None,
        max_new_tokens: int | None = None,
    ) -> Answer:
        """The speaker's next turn after `history`, which ends with the other's turn (or is empty, for the patient).

        `sampling` and `max_new_tokens` are for this answer only; None takes the speaker's own. The window always
        reserves the speaker's own `max_new_tokens`, so a smaller bound never changes a view.

        Raises `ContextOverflow` if no view fits (policy `none`, or a fixed part too long for the engine's real window),
        and the engine's `EngineError`.
        """

        async def build() -> Request:
            prompt = await self._prompt(history, direction, seed, request_id, max_new_tokens)
            return Request(
                prompt, sampling or self.sampling, seed, request_id, json_schema, self.adapter, logprobs=self.logprobs
            )

        def refused(prompt: Prompt, error: PromptRefused) -> None:
            window = self.window
            learned = {"max_model_len": window.max_model_len, "margin": window.margin, "ratio": round(window.ratio, 3)}
            told = {"limit": error.limit, "counted": error.counted}
            self._events.append(self._event("refusal", history, {"prompt_tokens": prompt.tokens, **told, **learned}))
            self._record_cuts(history)  # at once, or another session on this window would record them as its own

        try:
            request, generation = await deliver(
                self.engine, self.window, build, refused, meter=self.meter, rising=self._rising
            )
        finally:
            self._record_cuts(history)
        self._events += retry_events(generation.retries, len(history), self.preamble.speaker, "turn")
        view = replace(self._view, direction=direction) if direction else self._view
        evicted = max(0, view.first - view.pinned)
        events, self._events = self._events, []
        return Answer(generation, request.prompt, view, tuple(events), evicted, self._note_tokens)

    async def _prompt(
        self, history: Sequence[Turn], direction: str | None, seed: int, request_id: str, most: int | None
    ) -> Prompt:
        """A prompt that fits: of the view as it is, or after compaction. Its answer has at most `most` tokens."""
        budget = self._budget()
        rendering = self._render(history, self._view, direction)
        if rendering.tokens > budget.prompt:
            before, full = self._view, rendering.tokens
            compaction = self._compaction(history, budget, full, seed, request_id)
            done = await self.policy.compact(compaction)
            self._rising.forget()
            # The window is shared: another session may have found it smaller while the note was being written.
            rendering = self._settle(history, done.view, direction, self._budget())
            self._note_tokens = self._count_note()
            self._events += retry_events(done.retries, len(history), self.preamble.speaker, "summary")
            self._events.append(self._compaction_event(history, before, done, full, rendering.tokens))
        return self.preamble.renderer.prompt(
            rendering.messages,
            rendering.ids,
            max_new_tokens=self.max_new_tokens if most is None else min(most, self.max_new_tokens),
            max_model_len=self.window.max_model_len,
        )

    def _compaction(
        self, history: Sequence[Turn], budget: Budget, tokens: int, seed: int, request_id: str
    ) -> Compaction:
        before = self._view
        after = self._shrink(history, before, budget) if self.policy.shortens else before
        unnoted = [
            turn
            for i, turn in enumerate(history[: after.first])
            if i >= after.pinned and (i >= before.noted or i < before.pinned)
        ]
        count = self.preamble.renderer.count_text
        return Compaction(before, after, unnoted, tokens, budget.prompt, budget.note_bound, count, seed, request_id)

    def _shrink(self, history: Sequence[Turn], view: View, budget: Budget) -> View:
        """The view without its oldest exchanges, so that it is at the low-water mark."""
        cap = min(view.message_cap or budget.message_cap, max(SMALLEST_MESSAGE, budget.message_cap))

        def cost(turns: Sequence[Turn]) -> int:
            make, count = self.preamble.renderer.message, self.preamble.renderer.count_text
            return sum(count(make("user", turn.text, cap).content) + self._overhead for turn in turns)

        last = last_exchange(history)
        pinned = view.pinned if view.first else EXCHANGE
        if pinned > last or cost(history[:pinned]) > budget.pin_cap:
            pinned = 0
        first = last
        spare = budget.target - budget.fixed - cost(history[:pinned]) - cost(history[last:])
        while first > max(pinned, view.first) and (price := cost(history[first - EXCHANGE : first])) <= spare:
            first -= EXCHANGE
            spare -= price
        if first <= max(pinned, view.first):
            first = min(last, max(pinned, view.first) + EXCHANGE)
        return replace(view, pinned=pinned, first=first, message_cap=cap)

    def _settle(self, history: Sequence[Turn], view: View, direction: str | None, budget: Budget) -> Rendering:
        """Render a compacted view, and shrink it further until it really fits: compaction only estimates lengths."""
        last = last_exchange(history)
        while True:
            rendering = self._render(history, view, direction)
            excess = rendering.tokens - budget.prompt
            if excess <= 0:
                self._view = view
                return rendering
            cap = view.message_cap
            if view.first < last:
                view = replace(view, first=view.first + EXCHANGE)
            elif view.pinned:
                view = replace(view, pinned=0)
            elif cap is not None and cap > SMALLEST_MESSAGE:
                view = replace(view, message_cap=max(SMALLEST_MESSAGE, cap - max(excess, 2) // 2))
            elif view.note:
                view = replace(view, note=None)
            else:
                raise ContextOverflow(
                    f"{self.label}: the shortest prompt has {rendering.tokens} tokens, and "
                    f"max_model_len={self.window.max_model_len} with max_new_tokens={self.max_new_tokens} takes "
                    f"{budget.prompt}; engine.max_model_len={self.window.max_model_len + excess} would fit"
                )

    def _render(self, history: Sequence[Turn], view: View, direction: str | None) -> Rendering:
        preamble = self.preamble
        check_view(preamble.speaker, history, view, preamble.opening)
        if self._messages_for is not None and self._messages_for[0] == view and _grown(self._messages_for[1], history):
            new = [*history[len(self._messages_for[1]) :]]
        else:
            self._messages, new = [], [*history[: view.pinned], *history[max(view.first, view.pinned) :]]
        self._messages += [spoken(turn, preamble.speaker, view.message_cap, preamble.renderer) for turn in new]
        self._messages_for = (view, tuple(history))
        messages = framed(preamble.system, preamble.opening, preamble.speaker, self._messages, view, preamble.renderer)
        self._rendering = preamble.renderer.render(messages, self._rendering)
        added = aside(direction, preamble.renderer)
        return preamble.renderer.lengthen(self._rendering, added) if added else self._rendering

    def _budget(self) -> Budget:
        prompt = self.window.prompt_budget(self.max_new_tokens)
        return Budget(prompt, self._base, self.policy.note_tokens, self.low_water)

    def _message_cap(self) -> int | None:
        return max(SMALLEST_MESSAGE, self._budget().message_cap) if self.policy.shortens else None

    def _count_note(self) -> int:
        return self.preamble.renderer.count_text(self._view.note) if self._view.note else 0

    def _record_cuts(self, history: Sequence[Turn]) -> None:
        """Record the cuts that the window has learned of: those of this prompt, and of questions, which have no turn."""
        cuts, self.window.cuts = self.window.cuts, []
        self._events += [self._event("silent_cut", history, cut) for cut in cuts]

    def _event(self, kind: str, history: Sequence[Turn], data: Mapping[str, Any]) -> Event:
        return Event(kind, len(history), self.preamble.speaker, data)

    def _compaction_event(
        self, history: Sequence[Turn], before: View, done: Compacted, full: int, tokens: int
    ) -> Event:
        after = self._view
        left = sorted(set(_shown(before, len(history))) - set(_shown(after, len(history))))
        note_changed = after.note is not None and after.note != before.note
        return self._event(
            "compaction",
            history,
            {
                "policy": self.policy.name,
                "left": left,
                "tokens_before": full,
                "tokens_after": tokens,
                "note": after.note if note_changed else None,
                "note_tokens": self._note_tokens,
                "fallback": done.fallback,
                "pieces": done.pieces,
                "summary_prompt_tokens": done.prompt_tokens,
                "summary_completion_tokens": done.completion_tokens,
            },
        )


def _shown(view: View, turns: int) -> list[int]:
    """Indices of the turns in a view."""
    return [*range(min(view.pinned, turns)), *range(max(view.first, view.pinned), turns)]


def _grown(before: Sequence[Turn], history: Sequence[Turn]) -> bool:
    """Whether `history` is `before` with turns appended. Compares by identity, which is cheap."""
    return len(before) <= len(history) and all(map(is_, before, history))
