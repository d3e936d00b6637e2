"""Finds crisis content in a patient's words. It flags for a reader; it assesses nobody.

The levels follow the order of the Columbia Suicide Severity Rating Scale (Posner et al. 2011: wish to be dead, active
thoughts, method or plan, behaviour), with self-harm and harm to others beside it. A list of phrases finds what is
said outright and misses what is only hinted at. docs/guard.md says how well it does, and on what.
"""

import re
from functools import lru_cache

from harness.guard.crisis_patterns import ASKED, BY_LANGUAGE, DENIALS, FIGURES, OTHERS, TIERS
from harness.guard.loops import Finding
from harness.text.words import plain

_DENIALS = {language: re.compile(pattern) for language, pattern in DENIALS.items()}
_CAN_BE_DENIED = frozenset(("behaviour", "thoughts", "self_harm"))
"""Levels at which a denial is told as one; others are none when they are denied."""
_LONGEST = 80


@lru_cache(maxsize=2048)  # guard and simulated patient ask about the same turn, one exchange apart
def crisis(text: str, language: str = "en") -> Finding | None:
    """The gravest kind of crisis content in the text, or None.

    `level` is one of behaviour, plan, thoughts, wish, self_harm, harm_to_others; `tier` that of the safety gate
    (`thoughts`, `plan`; None for harm without a wish to die); `what` quotes it; `denied` marks a negation before it.
    Figures of speech, accidents, and what somebody else did are left out. A language without patterns finds nothing.
    """
    code = language.lower()[:2]
    levels = BY_LANGUAGE.get(code)
    if levels is None:
        return None
    low = plain(text).replace("\u2010", "-")
    levels = {level: pattern for level, pattern in levels.items() if pattern.search(low)}
    if not levels:  # most turns
        return None
    told = _without_figures(low) if code == "en" else low
    denied: Finding | None = None
    for level, pattern in levels.items():
        for match in pattern.all(told):
            if not _DENIALS[code].search(told[max(0, match.start() - 40) : match.start()]):
                return _finding(level, match.group(), denied=False)
            if denied is None and level in _CAN_BE_DENIED:
                denied = _finding(level, match.group(), denied=True)
    return denied


def _finding(level: str, what: str, *, denied: bool) -> Finding:
    return Finding(
        "crisis", {"level": level, "tier": TIERS.get(level), "what": what.strip()[:_LONGEST], "denied": denied}
    )


def _without_figures(low: str) -> str:
    """The text with what is no crisis of the patient's blotted out, so that the rest stays where it was."""
    for pattern in (FIGURES, OTHERS, ASKED):
        for match in pattern.all(low):
            low = low[: match.start()] + "." * (match.end() - match.start()) + low[match.end() :]
    return low
