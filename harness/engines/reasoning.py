"""Reasoning that a model writes before its answer, kept out of the dialogue."""

_OPEN, _CLOSE = "<think>", "</think>"


def split(text: str) -> tuple[str | None, str]:
    """Reasoning and answer. A template may have opened the reasoning in the prompt, so its start may be missing.

    Reasoning that never ends is all reasoning: the answer is then empty.
    """
    head, closed, tail = text.partition(_CLOSE)
    if closed:
        return head.replace(_OPEN, "", 1).strip() or None, tail.lstrip()
    if text.lstrip().startswith(_OPEN):
        return text.replace(_OPEN, "", 1).strip() or None, ""
    return None, text
