"""The guard of one session: judges each turn against what was said before.

Invariants:
- `judge` changes no verdict to come; `observe` adds an accepted turn. A guard that observed the same turns gives the
  same verdicts, so after a resume it is rebuilt by observing the turns again.
- The guard only says what it found and what should be done. The session does it.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.config.guard import GuardConfig
from harness.guard import crisis as risk
from harness.guard import language, nudges, roles
from harness.guard.features import Features, features
from harness.guard.loops import Finding, SpeakerHistory
from harness.text.words import Said
from harness.types import Event, FinishReason, Speaker, StopReason, Turn

_SILENCE = re.compile(r"[\s*_(\[]*(?:\.\s*){2,}[\s*_)\]]*|[\s*_(\[]*(?:…\s*)+[\s*_)\]]*")
"""A patient who says nothing: that is an answer."""
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", '"', "”", "’", "*", ")", ":", "]", "؟")


class Action(StrEnum):
    """What the session should do about a turn. The gravest of its findings decides."""

    ACCEPT = "accept"
    """Nothing to do but keep the events."""
    NUDGE = "nudge"
    """Accept; the speaker's next turn gets a direction."""
    RETRY = "retry"
    """Sample this turn once more, with the verdict's nudge as direction; accept the better draft as it is."""
    STOP = "stop"
    """Accept the turn and end the session."""


_GRAVITY = {"record": Action.ACCEPT, "nudge": Action.NUDGE, "retry": Action.RETRY, "stop": Action.STOP}
_ORDER = list(Action)
_REPEATS = frozenset({"loop", "repeat"})
"""Kinds of findings in a turn that repeats its speaker's earlier ones."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of one turn."""

    action: Action
    events: tuple[Event, ...] = ()
    nudge: str | None = None
    """The direction: for the next draft of this turn (retry), or for the speaker's next turn (nudge)."""
    stop_reason: StopReason | None = None
    """Why the session should end, where the action is `stop`."""
    cause: str | None = None
    """Kind of the finding that decided."""

    def worse_than(self, other: "Verdict") -> bool:
        """Whether this draft is the one to leave: by the gravest finding, then by their number."""
        return self._weight() > other._weight()

    def _weight(self) -> tuple[int, int]:
        return _ORDER.index(self.action), len(self.events)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A turn with what was found in it."""

    turn: Turn
    features: Features
    repeating: bool
    verdict: Verdict


class Guard:
    """Watches one session.

    Use: `verdict = guard.judge(draft)` for each draft, sample again once on `RETRY`, then `guard.observe(turn)` for the
    turn that was accepted; `guard.direction(speaker)` gives the direction for a speaker's next turn. A turn that was
    accepted although it asks for a `RETRY` (both drafts did) is followed by a nudge.
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
        """What is wrong with a turn that isn't part of the history yet, and what to do about it."""
        return self._judged(turn).verdict if self._config.enabled else Verdict(Action.ACCEPT)

    def observe(self, turn: Turn) -> Verdict:
        """Add an accepted turn to the history. Its verdict is that of `judge`, and the events of a nudge that follows."""
        if not self._config.enabled:
            return Verdict(Action.ACCEPT)
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
        """How many turns of each speaker repeat that speaker; None where the settings are not those of the metric."""
        return self._repeated if self._config.finds_repetition_as_by_default() else None

    def said(self, speakers: Iterable[Speaker]) -> list[Said] | None:
        """The turns that it observed, cut up, in the order of their speakers; None where it isn't enabled."""
        told = {speaker: history.said() for speaker, history in self._histories.items()}
        return [next(told[speaker]) for speaker in speakers] if self._config.enabled else None

    def _judged(self, turn: Turn) -> _Judged:
        """The judgement of a turn; that of the last draft is kept, since it is mostly the one that is observed next."""
        if self._last is None or self._last.turn is not turn:
            cut = features(turn.index, turn.text)
            found = self._find(turn, cut)
            repeating = any(finding.kind in _REPEATS for finding in found)
            self._last = _Judged(turn, cut, repeating, self._decide(turn, found))
        return self._last

    def _find(self, turn: Turn, cut: Features) -> list[Finding]:
        config, speaker = self._config, turn.speaker
        if not any(char.isalnum() or ord(char) > 0x2100 for char in turn.text):
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
            found.append(self._stuck(any(finding and finding.kind in _REPEATS for finding in found)))
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

    def _stuck(self, repeating: bool) -> Finding | None:
        """Both speakers repeat themselves: this turn and the three before it."""
        if repeating and len(self._repeating) == 3 and all(self._repeating):
            return Finding("stuck", {"turns": 4})
        return None

    def _decide(self, turn: Turn, found: list[Finding]) -> Verdict:
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
    """A direction that the speaker's next turn will get."""
    return Event("nudge", turn.index, turn.speaker, {"because": verdict.cause, "text": verdict.nudge})
