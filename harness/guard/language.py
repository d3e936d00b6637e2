"""Finds a turn in another language than the session's, by script and by common words.

Library language detectors cost more CPU than the rest of the guard and may decide on single words. Here, a turn must be
clearly in another language, so a borrowed word or a name is never enough.
"""

import re
from collections.abc import Sequence

from harness.guard.loops import Finding
from harness.text.words import FUNCTION_WORDS, word_set

_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_COMMON: dict[str, frozenset[str]] = {
    "en": word_set(
        """
    the and to of i you it is that was in my me for not but with have this be what he she they
    """
    ),
    "de": word_set(
        """
    der die das und ich nicht ist zu es mit auch aber wie mir mich sie wir ein eine auf für habe war so dass
    """
    ),
    "fr": word_set(
        """
    le la les et je ne pas est que de des un une mais avec pour dans mon ma ça c'est suis j'ai qui vous
    """
    ),
    "es": word_set(
        """
    el la los y yo no es que de un una pero con para en mi me lo se estoy muy por como está las
    """
    ),
    "it": word_set("il la e io non è che di un una ma con per mi lo sono come ho della più anche mio si le"),
    "pt": word_set(
        """
    o a os e eu não é que de um uma mas com para em meu minha me estou muito por como isso você
    """
    ),
    "nl": word_set(
        """
    de het en ik niet is dat een maar met voor mijn van ook was zijn je wat op heb te er aan
    """
    ),
    "pl": word_set("i nie się to że na jest w z co jak mnie mam ale do tak jestem za po czy już od"),
    "sv": word_set("och jag att det är inte som en på med för mig har av den min men så var ett om vad"),
    "tr": word_set("ve bir bu da de ben için çok ama ne gibi var beni bana değil o daha sonra kadar"),
}
_CODES = {
    word: tuple(code for code, common in _COMMON.items() if word in common)
    for word in frozenset[str]().union(*_COMMON.values())
}
"""Common word to the codes of its languages."""
_AT_HOME = 0.25
"""A turn with at least this share of common words of the expected language is in that language."""
_FEW_WORDS = 6
"""Least number of words of a turn for a decision by words."""
_FEW_FOREIGN = 2
"""Least number of different common words of another language."""
_ENGLISH = word_set(
    """
    no me o so um as or the and for are was is he she we i a an be to do in on at hello hi okay ok yeah hey alas
    pero con per van men war die mal gut ten tot son sin e y d com
    """
)
"""Short English words, names and fragments that other languages have, too."""
_FEW_LETTERS = 6
"""Least number of letters for a decision by script."""


def detect(text: str, tokens: Sequence[str], expected: str = "") -> str | None:
    """The language of a turn as a two-letter code, or None if it is not clear.

    Words that the `expected` language has, too, do not count for other languages.
    """
    if not text.isascii():
        letters = sum(map(str.isalpha, text))
        for code, pattern in _SCRIPTS:
            found = len(pattern.findall(text))
            if found >= _FEW_LETTERS and found >= 0.4 * letters:
                return code
    if len(tokens) < _FEW_WORDS:
        return None
    home = _at_home(expected)
    counts = dict.fromkeys(_COMMON, 0)
    kinds: dict[str, set[str]] = {code: set() for code in _COMMON}
    for word in tokens:
        for code in _CODES.get(word, ()):
            if code == expected or word not in home:
                counts[code] += 1
                kinds[code].add(word)
    best, other = sorted(counts, key=counts.__getitem__, reverse=True)[:2]
    top, second = counts[best], counts[other]
    plain = top >= 0.2 * len(tokens) and top >= second + 2 and len(kinds[best]) >= _FEW_FOREIGN
    return best if plain else None


def _at_home(code: str) -> frozenset[str]:
    """Common words of a language; empty for an unknown one."""
    return FUNCTION_WORDS | _ENGLISH if code == "en" else _COMMON.get(code, frozenset())


def language_switch(text: str, tokens: Sequence[str], expected: str) -> Finding | None:
    """A finding if the turn is clearly in another language than `expected` (such as `en` or `en-GB`), else None."""
    code = expected.lower().replace("_", "-").split("-")[0]
    home = _at_home(code)
    if home and sum(map(home.__contains__, tokens)) >= _AT_HOME * len(tokens) > 0:
        return None
    found = detect(text, tokens, code)
    if found is None or found == code or (found == "zh" and code == "ja"):
        return None
    return Finding("language_switch", {"expected": code, "found": found})
