"""The guard of one session: judges each turn against what was said before.

Invariants:
- `judge` does not change later verdicts; `observe` adds an accepted turn. Guards that observed the same turns give
  the same verdicts, so after a resume the guard is rebuilt by observing the turns again.
- The guard only says what it found and what should be done. The session does it.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.config.guard import GuardConfig
from harness.guard import crisis as risk
from harness.guard import language, nudges, roles
from harness.guard.features import Features, features
from harness.guard.loops import Finding, SpeakerHistory
from harness.text.words import Said
from harness.types import Event, FinishReason, Speaker, StopReason, Turn

_SILENCE = re.compile(r"[\s*_(\[]*(?:\.(?:\s*\.)+|…(?:\s*…)*)[\s*_)\]]*")
"""The silence of a patient (`...`), which is an answer."""
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", '"', "”", "’", "*", ")", ":", "]", "؟")


class Action(StrEnum):
    """What the session should do about a turn. The gravest action of its findings decides."""

    ACCEPT = "accept"
    """Accept the turn and keep the events."""
    NUDGE = "nudge"
    """Accept; the speaker's next turn gets a direction."""
    RETRY = "retry"
    """Sample this turn once more, with the verdict's nudge as direction; accept the better draft as it is."""
    STOP = "stop"
    """Accept the turn and end the session."""


_GRAVITY = {"record": Action.ACCEPT, "nudge": Action.NUDGE, "retry": Action.RETRY, "stop": Action.STOP}
_ORDER = list(Action)
_REPEATS = frozenset({"loop", "repeat"})
"""Kinds of findings that mean that a speaker repeats its earlier turns."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard found in one turn, and what to do."""

    action: Action
    events: tuple[Event, ...] = ()
    nudge: str | None = None
    """The direction: for the next draft of this turn (retry), or for the speaker's next turn (nudge)."""
    stop_reason: StopReason | None = None
    """Why the session should end; None if the action is not `stop`."""
    cause: str | None = None
    """Kind of the finding that decided the action."""

    def worse_than(self, other: "Verdict") -> bool:
        """Whether this draft is worse than the other: by the action, then by the number of events."""
        return self._weight() > other._weight()

    def _weight(self) -> tuple[int, int]:
        return _ORDER.index(self.action), len(self.events)


_ACCEPTED = Verdict(Action.ACCEPT)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A turn with its verdict."""

    turn: Turn
    features: Features
    repeating: bool
    verdict: Verdict


class Guard:
    """Watches one session.

    Use: `verdict = guard.judge(draft)` for each draft; sample again once on `RETRY`; then `guard.observe(turn)` for the
    accepted turn. `guard.direction(speaker)` is the direction for a speaker's next turn. If the accepted turn still
    has the action `RETRY`, because both drafts did, a nudge follows.
    """

    def __init__(self, config: GuardConfig, language: str = "en") -> None:
        self._config = config
        self._language = language
        self._histories = {speaker: SpeakerHistory(speaker, config) for speaker in Speaker}
        self._repeated = dict.fromkeys(Speaker, 0)
        self._repeating: deque[bool] = deque(maxlen=3)
        """Whether each of the last three turns repeated its speaker."""
        self._pause = dict.fromkeys(Speaker, 0)
        self._last: _Judged | None = None
        self._directions: dict[Speaker, str | None] = dict.fromkeys(Speaker, None)

    def judge(self, turn: Turn) -> Verdict:
        """The verdict on a draft, which is not added to the history."""
        return self._judged(turn).verdict if self._config.enabled else _ACCEPTED

    def observe(self, turn: Turn) -> Verdict:
        """Add an accepted turn to the history. Returns `judge`'s verdict, with the event of a following nudge."""
        if not self._config.enabled:
            return _ACCEPTED
        judged = self._judged(turn)
        self._last = None
        verdict, speaker = judged.verdict, turn.speaker
        self._histories[speaker].add(judged.features)
        self._repeating.append(judged.repeating)
        self._repeated[speaker] += judged.repeating
        if verdict.action is Action.RETRY and not self._pause[speaker]:
            verdict = replace(verdict, action=Action.NUDGE, events=(*verdict.events, _nudged(turn, verdict)))
        nudged = verdict.action is Action.NUDGE
        self._pause[speaker] = self._config.nudge_pause if nudged else max(0, self._pause[speaker] - 1)
        self._directions[speaker] = verdict.nudge if nudged else None
        return verdict

    def direction(self, speaker: Speaker) -> str | None:
        """The direction for this speaker's next turn, or None."""
        return self._directions[speaker]

    def repeating_turns(self) -> Mapping[Speaker, int] | None:
        """Number of turns of each speaker that repeat it; None if the settings differ from those of the metric."""
        return self._repeated if self._config.finds_repetition_as_by_default() else None

    def said(self, speakers: Iterable[Speaker]) -> list[Said] | None:
        """The observed turns, parsed, for the `speakers` of the turns in order; None if the guard is not enabled."""
        turns = {speaker: history.said() for speaker, history in self._histories.items()}
        return [next(turns[speaker]) for speaker in speakers] if self._config.enabled else None

    def _judged(self, turn: Turn) -> _Judged:
        """The turn with its verdict. The last one is cached, because the last draft is usually observed next."""
        if self._last is None or self._last.turn is not turn:
            cut = features(turn.index, turn.text)
            found = self._find(turn, cut)
            repeating = any(finding.kind in _REPEATS for finding in found)
            self._last = _Judged(turn, cut, repeating, self._decide(turn, found))
        return self._last

    def _find(self, turn: Turn, cut: Features) -> list[Finding]:
        config, speaker = self._config, turn.speaker
        if not cut.said.words and not any(char.isalnum() or ord(char) > 0x2100 for char in turn.text):
            silent = speaker is Speaker.PATIENT and _SILENCE.fullmatch(turn.text)
            return [] if silent or config.empty == "off" else [Finding("empty", {})]
        own, other = self._histories[speaker], self._histories[speaker.other]
        found: list[Finding | None] = []
        if config.loop != "off":
            found.extend(own.loops(cut, other))
        if config.repeat != "off":
            found.append(own.repeats(cut))
        if config.stutter != "off":
            found.append(own.stutters(cut))
        if config.stuck != "off":
            found.append(self._stuck(found))
        if config.echo != "off":
            found.append(other.copied_by(cut))
        if config.role_break != "off":
            found.append(roles.role_break(turn.text, speaker))
        if config.cut_off != "off" and turn.finish_reason is FinishReason.LENGTH:
            found.append(None if turn.text.rstrip().endswith(_SENTENCE_ENDS) else Finding("cut_off", {}))
        if config.language_switch != "off":
            found.append(language.language_switch(turn.text, cut.words, self._language))
        if config.crisis != "off" and speaker is Speaker.PATIENT:
            found.append(risk.crisis(turn.text, self._language))
        return [finding for finding in found if finding is not None]

    def _stuck(self, found: Sequence[Finding | None]) -> Finding | None:
        """A finding if both speakers repeat themselves: in this turn, by what is `found` in it, and the three before it."""
        before = len(self._repeating) == 3 and all(self._repeating)
        if before and any(finding and finding.kind in _REPEATS for finding in found):
            return Finding("stuck", {"turns": 4})
        return None

    def _decide(self, turn: Turn, found: list[Finding]) -> Verdict:
        if not found:
            return _ACCEPTED
        action, cause = Action.ACCEPT, None
        for finding in found:
            wanted = _GRAVITY[getattr(self._config, finding.kind)]
            if wanted is not Action.STOP and not self._config.mends_side(turn.speaker):
                wanted = Action.ACCEPT
            if wanted is Action.NUDGE and self._pause[turn.speaker]:
                wanted = Action.ACCEPT
            if _ORDER.index(wanted) > _ORDER.index(action):
                action, cause = wanted, finding
        events = [Event(finding.kind, turn.index, turn.speaker, finding.data) for finding in found]
        if cause is None:
            return Verdict(action, tuple(events))
        if action is Action.STOP:
            reason = StopReason.RISK_POLICY if cause.kind == "crisis" else StopReason.LOOP
            return Verdict(action, tuple(events), stop_reason=reason)
        text = nudges.nudge(cause.kind, cause.data, turn.speaker, turn.index)
        verdict = Verdict(action, tuple(events), nudge=text, cause=cause.kind)
        if action is Action.NUDGE:
            verdict = replace(verdict, events=(*events, _nudged(turn, verdict)))
        return verdict


def _nudged(turn: Turn, verdict: Verdict) -> Event:
    """The event of a direction for the speaker's next turn."""
    return Event("nudge", turn.index, turn.speaker, {"because": verdict.cause, "text": verdict.nudge})
