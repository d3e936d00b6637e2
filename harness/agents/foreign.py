"""Finds therapist turns in another language than the patient's, of which the patient understands nothing.

The rules use scripts, and common words of the languages that have a table of cues. If in doubt, a turn counts as the
patient's language, so a borrowed word or a name is never enough.
"""

from collections.abc import Sequence
from functools import cache

from harness.agents.cues import languages, table
from harness.guard.language import language_switch
from harness.text.words import FUNCTION_WORDS

AT_HOME = 0.25
"""With at least this share of common words of the patient's language, a turn is not foreign."""
FEWEST = 3
"""Least number of words for the comparison of common words."""
MORE = 0.15
"""How much larger the share of another language's common words must be than that of the patient's language."""


def foreign(text: str, words: Sequence[str], language: str) -> bool:
    """Whether the turn `text`, with these `words`, is clearly in another language than the patient's `language`."""
    code = language.split("-")[0].lower()
    home = _common().get(code, frozenset())
    own = sum(map(home.__contains__, words))
    if own >= AT_HOME * len(words) > 0:
        return False
    if language_switch(text, words, language) is not None:
        return True
    if len(words) < FEWEST or not home:
        return False
    others = max(sum(word in common and word not in home for word in words) for common in _others(code))
    return others >= own + MORE * len(words)


@cache
def _common() -> dict[str, frozenset[str]]:
    """Words without content of their own, by language code."""
    tables = {code: found for code in languages() if (found := table(code)) is not None}
    return {code: FUNCTION_WORDS if code == "en" else found.common for code, found in tables.items()}


@cache
def _others(code: str) -> tuple[frozenset[str], ...]:
    return tuple(common for other, common in _common().items() if other != code)
