"""Finds crisis content in a patient's words. It flags for a reader; it assesses nobody.

The levels follow the order of the Columbia Suicide Severity Rating Scale (Posner et al. 2011: wish to be dead, active
thoughts, method or plan, behaviour), with self-harm and harm to others beside it. A list of phrases finds what is
said outright and misses what is hinted.
"""

import re

from harness.guard.loops import Finding
from harness.guard.patterns import Hinted
from harness.text import plain

_MEANS = (
    r"(?:hang(?:ing)? myself|overdos(?:e|ing)|shoot(?:ing)? myself|jump(?:ing)? off|tak(?:e|ing) all (?:my|the) pills"
    r"|step(?:ping)? in front of|slit(?:ting)? my wrists)"
)
_INTENDS = (
    r"(?:plan|planned|planning|know how|decided|going|ready|want|wanted|thinking (?:of|about)"
    r"|thought about|saved (?:up )?(?:the )?pills)"
)
_FAMILY = r"(?:husband|wife|boss|father|mother|brother|sister|kids?|children|baby|son|daughter)"
LEVELS = {
    "behaviour": Hinted.any_of(
        ("tried to", "attempted to", "suicide attempt", "i took", "i swallowed", "overdosed"),
        r"\b(?:i|i've|i have|i'd) (?:(?:already|once|just|nearly|almost) )?(?:tried|attempted) to "
        r"(?:kill myself|end (?:it all|my life)|hang myself|die)\b",
        r"\b(?:my|a|last|previous|first) suicide attempt\b",
        r"\bi (?:took|swallowed) (?:all (?:of )?(?:my|the)|a whole bottle of|an overdose)\b",
        r"\bi overdosed\b",
    ),
    "plan": Hinted.any_of(
        ("hang", "overdos", "shoot", "jump", "pills", "in front of", "wrists", "suicide", "plan to"),
        rf"\b{_INTENDS}\b.{{0,40}}\b{_MEANS}\b",
        r"\bsuicide (?:note|plan)\b",
        r"\bi(?:'ve| have) (?:a|the) plan to (?:die|end|kill)\b",
    ),
    "thoughts": Hinted.any_of(
        ("kill", "my life", "own life", "it all", "suicid"),
        r"\bkill(?:ing)? (?:myself|my self|me)\b",
        r"\bend(?:ing)? (?:my (?:own )?life|it all)\b",
        r"\btak(?:e|ing) my own life\b",
        r"\bsuicid(?:e|al)\b",
    ),
    "wish": Hinted.any_of(
        (
            *("to die", "dead", "disappear", "never born", "better off", "to be alive", "to be here", "wake up"),
            *("to live", "no reason", "no point"),
        ),
        r"\b(?:want|wanted|wish|ready) to (?:die|be dead|disappear forever)\b",
        r"\bwish i (?:was|were) (?:dead|never born)\b",
        r"\bbetter off (?:dead|without me)\b",
        r"\b(?:not|don't|didn't) want(?:ing)? to (?:be (?:alive|here)|wake up|live)\b",
        r"\bno (?:reason|point) (?:to|in) (?:live|living|be alive|being alive|going on)\b",
        r"\bwish i (?:wouldn't|didn't|could just not|just wouldn't) wake up\b",
    ),
    "self_harm": Hinted.any_of(
        ("myself", "harm"),
        r"\b(?:cut|cutting|burn|burning|hurt|hurting|harm|harming) myself\b",
        r"\bself[- ]?harm(?:ed|ing)?\b",
    ),
    "harm_to_others": Hinted.any_of(
        ("kill", "strangle", "stab", "shoot", "hurt my", "harm my"),
        rf"\b(?:kill|strangle|stab|shoot) (?:him|her|them|my {_FAMILY})\b",
        rf"\b(?:hurt|harm) my {_FAMILY}\b",
    ),
}
"""The gravest first."""
_NEGATION = re.compile(r"\b(?:not|never|no|don't|didn't|wouldn't|won't|isn't|nothing)\b[^.!?;]{0,30}$")


def crisis(text: str) -> Finding | None:
    """The gravest kind of crisis content in the text, or None. `denied` marks a negation before it."""
    low = plain(text)
    for level, pattern in LEVELS.items():
        if match := pattern.search(low):
            denied = _NEGATION.search(low[max(0, match.start() - 40) : match.start()]) is not None
            return Finding("crisis", {"level": level, "what": match.group()[:80], "denied": denied})
    return None
