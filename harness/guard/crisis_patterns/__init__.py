"""All patterns of crisis content, by language: a wish to die, self-harm, harm to others.

They cover explicit words, euphemisms, abbreviations and half sentences. They do not explain how to do anything.
Patterns match lower case with straight apostrophes, which many people leave out (`dont`, `im`).
"""

from collections.abc import Mapping

from harness.guard.crisis_patterns.english import ENGLISH
from harness.guard.crisis_patterns.figures import ASKED, FIGURES, OTHERS
from harness.guard.crisis_patterns.languages import FRENCH, GERMAN, SPANISH
from harness.guard.patterns import Hinted

__all__ = ["ASKED", "BY_LANGUAGE", "DENIALS", "FIGURES", "OTHERS", "TIERS"]

BY_LANGUAGE: Mapping[str, Mapping[str, Hinted]] = {"en": ENGLISH, "de": GERMAN, "es": SPANISH, "fr": FRENCH}
"""Language code to the patterns of each level, the gravest first. In other languages nothing is found."""

TIERS: Mapping[str, str] = {"behaviour": "plan", "plan": "plan", "thoughts": "thoughts", "wish": "thoughts"}
"""Level to the tier of the safety gate; harm without a wish to die has none."""
DENIALS: Mapping[str, str] = {
    "en": r"\b(?:not|never|no(?! one\b)|don't|dont|didn't|didnt|wouldn't|wouldnt|won't|wont|isn't|isnt|nothing|nor|without|ain't)"
    r"(?: (?!wait\b|stop\b|help\b|mind\b|and\b|but\b|so\b|because\b|cause\b|since\b)[\w']+){0,5} $"
    r"|\b(?:not|no|n't|don't|dont|without) (?:have |having )?(?:a |any )?(?:plans?|intent|intentions?|urges?)"
    r"(?: (?:a|any|or|and|to|of|plans?|intent|intentions?|urges?|desire|\w+ing)){0,6} $",
    "de": r"\b(?:nicht|nie|kein\w*|niemals)(?: \w+){0,4} $",
    "es": r"\b(?:no|nunca|jamás|sin)(?: \w+){0,4} $",
    "fr": r"\b(?:pas|jamais|aucun\w*|sans)(?: \w+){0,4} $",
}
"""By language: a finding with this right before it, in the same clause, is denied."""
