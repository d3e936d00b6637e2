"""Settings of the guard: what it detects, with which thresholds, and what it does about it."""

from typing import Annotated, Literal

from pydantic import Field

from harness.config.settings import Settings
from harness.types import Speaker

GuardAction = Literal["off", "record", "nudge", "retry", "stop"]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
Turns = Annotated[int, Field(ge=2, le=50)]


class GuardConfig(Settings):
    """One action per finding, and the thresholds. `docs/guard.md` says what each finding means.

    `off` does not detect it; `record` writes an event; `nudge` also gives the speaker a direction for its next turn only;
    `retry` has this turn sampled once more; `stop` ends the session.
    """

    enabled: bool = True
    mends: Literal["patient", "both", "none"] = "patient"
    """Whose turns are mended, that is, nudged or drafted again. On the other side these findings are only recorded, so that
    the therapist under test is measured as it is. `stop` ends a session for findings on either side."""
    loop: GuardAction = "retry"
    """The same question, sentence, phrase or opening comes back in most of a speaker's last turns."""
    repeat: GuardAction = "retry"
    """This one turn is (nearly) made of what the speaker has said before."""
    stutter: GuardAction = "retry"
    """This one turn says the same thing over and over within itself."""
    stuck: GuardAction = "nudge"
    """Both speakers have been repeating themselves for two exchanges."""
    echo: GuardAction = "retry"
    """The turn copies the other speaker."""
    role_break: GuardAction = "retry"
    """Speaks for the other, writes both sides, calls itself an AI, leaks its instructions, swaps roles."""
    empty: GuardAction = "retry"
    cut_off: GuardAction = "record"
    """Ended at `max_new_tokens` in the middle of a sentence."""
    language_switch: GuardAction = "record"
    crisis: GuardAction = "record"
    """The patient speaks of suicide, self-harm or violence. By default the session goes on, so that the therapist's
    handling of risk can be studied."""

    window: Turns = 6
    """Number of a speaker's last turns, including this one, in which a loop is searched."""
    loop_turns: Turns = 4
    """In how many of these turns the same thing must recur."""
    question_turns: Turns = 3
    """The same for a question or request of the patient, who seldom asks the same thing three times in six turns."""
    opening_turns: Turns = 5
    """The same for the words that a turn begins with."""
    similarity: Share = 0.5
    """Two clauses count as the same from this overlap of their content words on (Jaccard index)."""
    repeat_share: Share = 0.7
    """Share of a turn's word 3-grams that an earlier turn of the same speaker must contain for a `repeat`."""
    stutter_share: Share = 0.5
    """Share of a turn's word 3-grams that were said earlier in the same turn for a `stutter`."""
    echo_share: Share = 0.6
    """The same for a recent turn of the other speaker."""
    nudge_pause: Annotated[int, Field(ge=0, le=50)] = 1
    """Number of a speaker's turns without a nudge after each nudge, so that directions don't pile up."""

    def mends_side(self, speaker: Speaker) -> bool:
        """Whether this speaker's turns are nudged or drafted again after a finding."""
        return self.mends == "both" or self.mends == speaker

    def says(self) -> str:
        """One line that says what the guard does to the two speakers."""
        if not self.enabled:
            return "guard: off"
        sides = {
            "patient": "records on the therapist's side, mends the patient's turns",
            "none": "records, mends nothing",
        }
        return f"guard: {sides.get(self.mends, 'mends both sides: the therapist is not measured as it is')}"

    def finds_repetition_as_by_default(self) -> bool:
        """Whether it finds the same loops and repeats as with the defaults; actions may differ."""
        if not self.enabled or "off" in (self.loop, self.repeat):
            return False
        return all(getattr(self, name) == GuardConfig.model_fields[name].default for name in _OF_REPETITION)


_OF_REPETITION = ("window", "loop_turns", "question_turns", "opening_turns", "similarity", "repeat_share")
