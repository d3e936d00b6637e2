"""What no persona and no prompt may say: a means of suicide. Lists of words by language, not an assessment; they err on the
side of refusing, since what can be left out of a fiction at no cost can't harm who reads it."""

import re

_MEANS = re.compile(
    r"\b(?:"
    # English
    r"hang(?:ed|ing)? (?:myself|yourself|himself|herself|themsel\w+)|hanged|hanging (?:from|in the)|noose|ligature|rope|overdos(?:e|ed|es|ing)"
    r"|slit|(?:my|your|his|her|their) wrists|razor(?: blade)?s?|gun|guns|shotgun|pistol|rifle|revolver|firearms?|bleach|poison(?:ed|ing)? (?:myself|yourself|himself|herself)"
    r"|jump(?:s|ed|ing)? (?:off|from|in front)|pills|sleeping tablets|carbon monoxide|exhaust (?:pipe|fumes)|drown(?:ed|ing)? (?:myself|yourself|himself|herself)"
    # German
    r"|erhäng\w*|strick|schlinge|tabletten|schlaftabletten|überdosis|pulsadern|rasierklingen?|pistole|gewehr|von der brücke|vor (?:den|einen) zug"
    # Spanish
    r"|ahorc\w+|soga|pastillas|sobredosis|cortarse las venas|las venas|pistola|escopeta|cuchilla|tirarse (?:del|de|al)|lejía"
    # French
    r"|se pendre|pendu(?:e)?|corde au cou|cachets|somnifères|surdose|overdose|veines|pistolet|fusil|lame de rasoir|se jeter (?:du|de|sous)|eau de javel"
    r")\b",
    re.IGNORECASE,
)


def means(text: str) -> str | None:
    """The first words that name a means of suicide, or None."""
    match = _MEANS.search(text)
    return match[0] if match else None


def refusal(text: str) -> str | None:
    """What is wrong with a text that names one, for a line of an error; None for any other."""
    named = means(text)
    return None if named is None else f"names a means of suicide ({named!r}); say that the patient won't discuss how, or leave it out"
