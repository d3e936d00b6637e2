"""The constant part of one speaker's prompts: its token count, and the check that a window can hold it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.context.budget import MIN_ROOM, Budget, Window
from harness.context.render.incremental import Rendering
from harness.context.render.renderer import Renderer
from harness.context.view import NOTE_HEADING, project
from harness.errors import ContextOverflow
from harness.types import Speaker, Turn, View


@dataclass(frozen=True)
class Preamble:
    """The constant part of one speaker's prompts."""

    speaker: Speaker
    system: str | None
    opening: str | None
    """The first user message in the patient's prompts; None for the therapist."""
    renderer: Renderer

    def render(self, history: Sequence[Turn], view: View) -> Rendering:
        return self.renderer.render(project(self.system, self.opening, self.speaker, history, view, self.renderer))

    def base_tokens(self, *, note: bool, direction_tokens: int) -> int:
        """Tokens of the shortest prompt, plus room for a direction and the heading of a note."""
        return self.shortest.tokens + (self._note_heading if note else 0) + direction_tokens

    @cached_property
    def message_overhead(self) -> int:
        """Tokens that the template adds around one message."""
        added = self.render(self._words(2), View()).tokens - self.shortest.tokens
        return (added + 1) // 2

    @cached_property
    def shortest(self) -> Rendering:
        """A prompt with the fewest messages, of one word each; the first prompts of all sessions extend it."""
        return self.render(self._words(1), View())

    @cached_property
    def _note_heading(self) -> int:
        return self.renderer.count_text(f"\n\n{NOTE_HEADING}\n")

    def _words(self, exchanges: int) -> list[Turn]:
        speakers = (Speaker.PATIENT, Speaker.THERAPIST)
        return [Turn(i, speakers[i % 2], "x") for i in range(2 * exchanges - (self.speaker is Speaker.THERAPIST))]


def preflight(
    label: str,
    part: Preamble,
    window: Window,
    *,
    max_new_tokens: int,
    note_tokens: int = 0,
    direction_tokens: int = 0,
    handover_tokens: int = 0,
) -> None:
    """Raise `ContextOverflow` if the fixed part leaves no room for dialogue. Needs no model.

    `label` names the persona and the speaker, `note_tokens` is the policy's, `direction_tokens` the length of the longest
    direction, `handover_tokens` that of the longest handover note of a course.
    """
    base = part.base_tokens(note=note_tokens > 0, direction_tokens=direction_tokens) + handover_tokens
    budget = Budget(window.prompt_budget(max_new_tokens), base, note_tokens)
    if not budget.missing:
        return
    enough = budget
    while enough.missing:
        enough = replace(enough, prompt=enough.prompt + enough.missing)
    raise ContextOverflow(
        f"{label}: the fixed part of every prompt (system prompt, template, room for a note and a direction"
        f"{f', {handover_tokens} for the handover of a course' if handover_tokens else ''}) takes "
        f"{budget.fixed} tokens and max_new_tokens={max_new_tokens} are kept for the answer; with {MIN_ROOM} for the "
        f"dialogue that does not fit max_model_len={window.max_model_len}; "
        f"{window.max_model_len + enough.prompt - budget.prompt} would"
    )
