"""Finds crisis content in a patient's words. It flags for a reader; it assesses nobody.

The levels follow the order of the Columbia Suicide Severity Rating Scale (Posner et al. 2011: wish to be dead, active
thoughts, method or plan, behaviour), with self-harm and harm to others beside it. A list of phrases finds what is
said outright and misses what is hinted.
"""

import re

from harness.guard.repetition import Finding
from harness.text import plain

_ME = r"(?:myself|my self|me)"
_LEVELS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "behaviour",
        re.compile(
            r"\b(?:i|i've|i have|i'd) (?:(?:already|once|just|nearly|almost) )?(?:tried|attempted) to (?:kill myself|end (?:it all|my life)|hang myself|die)\b"
            r"|\b(?:my|a|last|previous|first) suicide attempt\b|\bi (?:took|swallowed) (?:all (?:of )?(?:my|the)|a whole bottle of|an overdose)\b|\bi overdosed\b"
        ),
    ),
    (
        "plan",
        re.compile(
            r"\b(?:plan|planned|planning|know how|decided|going|ready|want|wanted|thinking (?:of|about)|thought about|going to|saved (?:up )?(?:pills|the pills))\b.{0,40}"
            r"\b(?:hang(?:ing)? myself|overdos(?:e|ing)|shoot(?:ing)? myself|jump(?:ing)? off|tak(?:e|ing) all (?:my|the) pills|step(?:ping)? in front of|slit(?:ting)? my wrists)\b"
            r"|\bsuicide (?:note|plan)\b|\bi(?:'ve| have) (?:a|the) plan to (?:die|end|kill)\b"
        ),
    ),
    (
        "thoughts",
        re.compile(
            rf"\bkill(?:ing)? {_ME}\b|\bend(?:ing)? (?:my (?:own )?life|it all)\b|\btak(?:e|ing) my own life\b|\bsuicid(?:e|al)\b"
            r"|\bdo(?:ing)? myself in\b"
        ),
    ),
    (
        "wish",
        re.compile(
            r"\b(?:want|wanted|wish|ready) (?:to (?:die|be dead|disappear forever)|i (?:was|were) dead)\b|\bwish i (?:was|were) (?:dead|never born)\b"
            r"|\bbetter off (?:dead|without me)\b|\bnot (?:want(?:ing)? to )?(?:be|wake up|live) (?:alive |here )?any ?more\b|\bdon't want to (?:live|be alive|wake up)\b"
            r"|\bno (?:reason|point) (?:to|in) (?:live|living|be alive|being alive|going on)\b|\bwish i (?:wouldn't|didn't|could just not) wake up\b"
        ),
    ),
    (
        "self_harm",
        re.compile(r"\b(?:cut|cutting|burn|burning|hurt|hurting|harm|harming) myself\b|\bself[- ]?harm(?:ed|ing)?\b"),
    ),
    (
        "harm_to_others",
        re.compile(
            r"\b(?:kill|strangle|stab|shoot) (?:him|her|them|my (?:husband|wife|boss|father|mother|brother|sister|kids?|children|baby))\b"
            r"|\b(?:hurt|harm) (?:my (?:kids?|children|baby|son|daughter))\b"
        ),
    ),
)
_HINTS = (
    "kill",
    "suicid",
    "die",
    "dead",
    "my life",
    "own life",
    "it all",
    "overdos",
    "myself",
    "any more",
    "anymore",
    "without me",
    "point",
    "reason",
    "wake up",
    "live",
    "alive",
    "pills",
    "bottle of",
    "self-harm",
    "self harm",
    "never born",
    "jump",
    "in front of",
    "plan to",
    "strangle",
    "stab",
    "shoot",
    "hurt my",
    "harm my",
    "disappear",
)
_NEGATION = re.compile(r"\b(?:not|never|no|don't|didn't|wouldn't|won't|isn't|nothing)\b[^.!?;]{0,30}$")


def crisis(text: str) -> Finding | None:
    """The gravest kind of crisis content in the text with its words, or None. `denied` marks a negation before it."""
    low = plain(text)
    if not any(hint in low for hint in _HINTS):
        return None
    for level, pattern in _LEVELS:
        if match := pattern.search(low):
            denied = _NEGATION.search(low[max(0, match.start() - 40) : match.start()]) is not None
            return Finding("crisis", {"level": level, "what": match.group()[:80], "denied": denied})
    return None
