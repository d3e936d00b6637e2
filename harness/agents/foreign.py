"""Whether a therapist's turn is in a language that isn't the patient's: then nothing of it is understood.

A rule over common words, of the languages that have a table of cues, and over scripts; of few words it takes the side of
the therapist, so that a borrowed word or a name never counts.
"""

from collections.abc import Sequence
from functools import cache

from harness.agents.cues import languages, table
from harness.guard.language import language_switch
from harness.text.words import FUNCTION_WORDS

AT_HOME = 0.25
"""Share of the patient's language's common words from which nothing else is looked at."""
FEWEST = 3
"""Words from which on a turn is looked at."""
MORE = 0.15
"""How much larger the share of another language's common words must be than of the patient's."""


def foreign(text: str, words: Sequence[str], language: str) -> bool:
    """Whether the turn (`words` are its words) is plainly in another language than the patient's, `language`."""
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
    """Words that tell nothing, by language."""
    tables = {code: found for code in languages() if (found := table(code)) is not None}
    return {code: FUNCTION_WORDS if code == "en" else found.common for code, found in tables.items()}


@cache
def _others(code: str) -> tuple[frozenset[str], ...]:
    return tuple(common for other, common in _common().items() if other != code)
