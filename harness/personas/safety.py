"""Finds means of suicide, which no persona and no prompt may name.

These are word lists by language, not an assessment. They refuse too much rather than too little, because a fiction
loses nothing without these words.
"""

import re

_SELF = "(?:myself|yourself|himself|herself|themsel\\w+)"
_ENGLISH = (
    *(
        rf"hang(?:ed|ing)? {_SELF}",
        "hanged",
        "hanging (?:from|in the)",
        "noose",
        "ligature",
        "rope",
        "overdos(?:e|ed|es|ing)",
    ),
    *(
        "slit",
        "(?:my|your|his|her|their) wrists",
        "razor(?: blade)?s?",
        "bleach",
        rf"poison(?:ed|ing)? {_SELF}",
        "pills",
    ),
    *("guns?", "shotgun", "pistol", "rifle", "revolver", "firearms?", "jump(?:s|ed|ing)? (?:off|from|in front)"),
    *("sleeping tablets", "carbon monoxide", "exhaust (?:pipe|fumes)", rf"drown(?:ed|ing)? {_SELF}"),
)
_GERMAN = (
    *(r"erhäng\w*", "strick", "schlinge", "tabletten", "schlaftabletten", "überdosis", "pulsadern", "rasierklingen?"),
    *("pistole", "gewehr", "von der brücke", "vor (?:den|einen) zug"),
)
_SPANISH = (
    *(r"ahorc\w+", "soga", "pastillas", "sobredosis", "las venas", "pistola", "escopeta", "cuchilla", "lejía"),
    "tirarse (?:del|de|al)",
)
_FRENCH = (
    *(
        "se pendre",
        "pendue?",
        "corde au cou",
        "cachets",
        "somnifères",
        "surdose",
        "overdose",
        "veines",
        "pistolet",
        "fusil",
    ),
    *("lame de rasoir", "se jeter (?:du|de|sous)", "eau de javel"),
)
_MEANS = re.compile(rf"\b(?:{'|'.join((*_ENGLISH, *_GERMAN, *_SPANISH, *_FRENCH))})\b", re.IGNORECASE)


def means(text: str) -> str | None:
    """The first words that name a means of suicide, or None."""
    match = _MEANS.search(text)
    return match[0] if match else None


def refusal(text: str) -> str | None:
    """The line of an error for a text that names a means of suicide; None for any other text."""
    if (named := means(text)) is None:
        return None
    return f"names a means of suicide ({named!r}); say that the patient won't discuss how, or leave it out"
