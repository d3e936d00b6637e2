"""What no persona may say: a means of suicide. A list of words, not an assessment; it errs on the side of refusing."""

import re

_MEANS = re.compile(
    r"\b(?:hang(?:ed|ing)|noose|rope|overdos(?:e|ed|ing)|slit|gun|pistol|bleach|jump(?:ed|ing)? off|pills)\b",
    re.IGNORECASE,
)


def means(text: str) -> str | None:
    """The first word that names a means of suicide, or None."""
    match = _MEANS.search(text)
    return match[0] if match else None
