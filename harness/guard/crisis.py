"""Finds crisis content in a patient's words, for a reader to check. It does not assess anybody.

The levels follow the order of the Columbia Suicide Severity Rating Scale (Posner et al. 2011: wish to be dead, active
thoughts, method or plan, behaviour); self-harm, harm to others and a child at risk follow. Patterns find explicit words
and miss hints. docs/guard.md says how accurate this is, and on which texts.
"""

import re
from functools import lru_cache

from harness.guard.crisis_patterns import ASKED, BY_LANGUAGE, DENIALS, FIGURES, OTHERS, TIERS
from harness.guard.loops import Finding
from harness.guard.patterns import Hints
from harness.text.words import plain

_HINTS = {
    language: Hints(hint for pattern in levels.values() for hint in pattern.hints)
    for language, levels in BY_LANGUAGE.items()
}
_DENIALS = {language: re.compile(pattern) for language, pattern in DENIALS.items()}
_CAN_BE_DENIED = frozenset(("behaviour", "thoughts", "self_harm"))
"""Levels at which a denial is a finding with `denied`; at other levels, a denial is not a finding."""
_LONGEST = 80
"""Characters of a quote."""


@lru_cache(maxsize=2048)  # guard and simulated patient ask about the same turn, one exchange apart
def crisis(text: str, language: str = "en") -> Finding | None:
    """The gravest crisis content in the text, or None.

    In the data of the finding, `level` is a key of `ENGLISH`, `tier` that of the safety gate (`thoughts`, `plan`;
    None for harm without a wish to die), `what` a quote, and `denied` says whether a negation comes before it. Figures
    of speech, accidents and acts of others are left out. In a language without patterns nothing is found.
    """
    code = language.lower()[:2]
    levels = BY_LANGUAGE.get(code)
    if levels is None:
        return None
    low = plain(text).replace("\u2010", "-")
    hints = _HINTS[code].found(low)
    if not hints:  # true of most turns
        return None
    levels = {
        level: pattern
        for level, pattern in levels.items()
        if not hints.isdisjoint(pattern.hints) and pattern.expression.search(low)
    }
    if not levels:
        return None
    kept = _without_figures(low) if code == "en" else low
    denied: Finding | None = None
    for level, pattern in levels.items():
        for match in pattern.all(kept):
            if not _DENIALS[code].search(kept[max(0, match.start() - 40) : match.start()]):
                return _finding(level, match.group(), denied=False)
            if denied is None and level in _CAN_BE_DENIED:
                denied = _finding(level, match.group(), denied=True)
    return denied


def _finding(level: str, what: str, *, denied: bool) -> Finding:
    return Finding(
        "crisis", {"level": level, "tier": TIERS.get(level), "what": what.strip()[:_LONGEST], "denied": denied}
    )


def _without_figures(low: str) -> str:
    """The text with dots over whatever is not a crisis of the patient's; positions stay the same."""
    for pattern in (FIGURES, OTHERS, ASKED):
        for match in pattern.all(low):
            low = low[: match.start()] + "." * (match.end() - match.start()) + low[match.end() :]
    return low
