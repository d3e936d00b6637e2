"""What people say when they speak of wanting to die, of harming themselves or others: the one place for it, by language.

Written from how people put it, outright and in euphemisms, abbreviations and half sentences. Nothing here names how to do
anything. A pattern stands for lower case with straight apostrophes, which many leave out (`dont`, `im`).
"""

from collections.abc import Mapping

from harness.guard.crisis_patterns.english import ENGLISH
from harness.guard.crisis_patterns.figures import ASKED, FIGURES, OTHERS
from harness.guard.crisis_patterns.languages import FRENCH, GERMAN, SPANISH
from harness.guard.patterns import Hinted

__all__ = ["ASKED", "BY_LANGUAGE", "DENIALS", "FIGURES", "OTHERS", "TIERS"]

BY_LANGUAGE: Mapping[str, Mapping[str, Hinted]] = {"en": ENGLISH, "de": GERMAN, "es": SPANISH, "fr": FRENCH}
"""Other languages have none: there nothing is found, which docs/guard.md says."""

TIERS: Mapping[str, str] = {"behaviour": "plan", "plan": "plan", "thoughts": "thoughts", "wish": "thoughts"}
"""The tier of the safety gate that a level speaks for; harm without a wish to die has none."""
DENIALS: Mapping[str, str] = {
    "en": r"\b(?:not|never|no(?! one\b)|don't|dont|didn't|didnt|wouldn't|wouldnt|won't|wont|isn't|isnt|nothing|nor|without|ain't)"
    r"(?: (?!wait\b|stop\b|help\b|mind\b|and\b|but\b|so\b|because\b|cause\b|since\b)[\w']+){0,5} $"
    r"|\b(?:not|no|n't|don't|dont|without) (?:have |having )?(?:a |any )?(?:plans?|intent|intentions?|urges?)"
    r"(?: (?:a|any|or|and|to|of|plans?|intent|intentions?|urges?|desire|\w+ing)){0,6} $",
    "de": r"\b(?:nicht|nie|kein\w*|niemals)(?: \w+){0,4} $",
    "es": r"\b(?:no|nunca|jamás|sin)(?: \w+){0,4} $",
    "fr": r"\b(?:pas|jamais|aucun\w*|sans)(?: \w+){0,4} $",
}
"""Before a finding, in its clause: it is denied. By language."""
