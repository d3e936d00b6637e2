"""Reasoning that a model writes before its answer, kept out of the dialogue.

Markers are recognized by their form, not by a model's name: a bracket, a word for thinking, a bracket (`<think>`,
`[THINK]`, `<seed:think>`, `<|START_THINKING|>`, `<|begin_of_thought|>`, ...), some pairs without such a form, and the
channels of OpenAI's harmony format.

Invariant: if reasoning never ends, everything after its start is reasoning and the answer is empty.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from harness.types import AnswerFormat

_WORDS = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|analysis|scratchpad|reflection|deliberation|cot)"
    r"(?:_process|_content|_block)?"
)
_NAMESPACE = r"(?:(?!(?i:end))[A-Za-z][A-Za-z0-9]*[:_])?"
_LEFT, _RIGHT = r"(?:<[|\uff5c]?|◁)", r"(?:[|\uff5c]?>|▷)"
_UPPER = r"\[(?:THINK(?:ING)?|THOUGHTS?|REASON(?:ING)?)\]"
"""In square brackets only capitals are a marker: people write `[thinking]` in plain text."""
_PAIRS = {
    "<|channel>thought": "<channel|>",
    "<unused94>thought": "<unused95>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "Here is my thought process:": "Here is my response:",
}
_OPEN = re.compile(
    rf"{_LEFT}(?i:(?:begin_|start_)(?:of_)?{_WORDS}|{_NAMESPACE}{_WORDS}(?:_start|_begin)?(?::\w+)?){_RIGHT}|{_UPPER}|"
    + "|".join(map(re.escape, _PAIRS))
)
_END_WORDS = rf"(?i:/{_NAMESPACE}{_WORDS}(?::\w+)?|end_(?:of_)?{_WORDS}|{_NAMESPACE}{_WORDS}_end)"
_CLOSE = re.compile(
    rf"{_LEFT}{_END_WORDS}{_RIGHT}|\[/(?:THINK(?:ING)?|THOUGHTS?|REASON(?:ING)?)\]|"
    + "|".join(map(re.escape, _PAIRS.values()))
)
_WRAPPED = re.compile(
    r"\s*(?:<(?P<tag>answer|response|output|final_answer|solution)>|<\|begin_of_solution\|>|<\|START_RESPONSE\|>)"
)
"""Tags that some models write around the answer after their reasoning."""
_WRAPPED_END = re.compile(
    r"</(?:answer|response|output|final_answer|solution)>|<\|end_of_solution\|>|<\|END_RESPONSE\|>"
)
_CHANNEL = "<|channel|>"
_FINAL = re.compile(r"<\|channel\|>\s*final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_HARMONY_TOKEN = re.compile(r"<\|(?:start|end|return|call|message|channel|constrain)\|>")


def split(text: str, form: AnswerFormat | None = None, *, constrained: bool = False) -> tuple[str | None, str]:
    """The reasoning (None if there is none) and the answer in a model's output.

    `form` is the answer format found from the chat template. `constrained` says that the output follows a JSON schema
    from its first token, so that it has no reasoning to end, even if the prompt opened some.
    """
    form = form or AnswerFormat()
    if _CHANNEL in text or (form.header is not None and _CHANNEL in form.header and _bare_channels(text)):
        return _by_channel(text)
    awaits = form.awaits
    if awaits and (text.lstrip().startswith(awaits) or (constrained and not _CLOSE.search(text))):
        awaits = None
    thoughts: list[str] = []
    if form.header is not None and form.header in text:
        before, _, text = text.partition(form.header)
        inside, rest = _by_markers(before)
        thoughts, awaits = [*inside, rest], None
        text = _WRAPPED_END.split(text, maxsplit=1)[0].rstrip() if _WRAPPED.match(form.header) else text
    found, answer = _by_markers(f"{awaits}{text}" if awaits else text)
    thoughts += found
    if form.header is not None and not thoughts and answer.lstrip().startswith(form.special or ("\0",)):
        thoughts, answer = [answer], ""
    if thoughts:
        answer = _unwrapped(answer.lstrip())
    for token in form.special:
        answer = answer.replace(token, "")
        thoughts = [thought.replace(token, "") for thought in thoughts]
    reasoning = "\n".join(filter(None, (thought.strip() for thought in thoughts)))
    return reasoning or None, answer


def of_chat(form: AnswerFormat, content: str, *, cut: bool, told: bool) -> AnswerFormat:
    """The answer format of a chat server's `content`. `cut` says that the content met its token limit, `told` that the
    server returned the reasoning separately.

    A server that knows the format removes the reasoning; one that doesn't leaves its end marker in the content. Content
    without that marker is an answer, unless it was cut: then it may be reasoning only.
    """
    if form.awaits and (told or not cut or _CLOSE.search(content)):
        return replace(form, awaits=None)
    return form


def left_open(text: str) -> str | None:
    """The last marker that opens reasoning in template text and is not closed; None if there is none."""
    opened = None
    for marker, opens in _markers(text):
        opened = marker if opens else None
    return opened


def without_reasoning(text: str) -> str:
    """Template text without blocks of reasoning and without single markers."""
    _, answer = _by_markers(text)
    return _CLOSE.sub("", _OPEN.sub("", answer))


def is_marker(text: str) -> bool:
    """Whether a token marks the beginning or the end of reasoning."""
    return bool(_OPEN.fullmatch(text) or _CLOSE.fullmatch(text)) or any(
        text and (opening.startswith(text) or text == closing) for opening, closing in _PAIRS.items() if "<" in opening
    )


def _markers(text: str) -> Iterator[tuple[str, bool]]:
    """The markers of a text in order, each with whether it opens reasoning."""
    found = [(match.start(), match[0], True) for match in _OPEN.finditer(text)]
    found += [(match.start(), match[0], False) for match in _CLOSE.finditer(text)]
    for _, marker, opens in sorted(found):
        yield marker, opens


def _by_markers(text: str) -> tuple[list[str], str]:
    """The contents of blocks of reasoning, and the rest. An end without a beginning makes all text before it reasoning."""
    thoughts: list[str] = []
    said: list[str] = []
    place = 0
    while (opening := _OPEN.search(text, place)) is not None:
        said.append(text[place : opening.start()])
        closing = _CLOSE.search(text, opening.end())
        thoughts.append(text[opening.end() : closing.start() if closing else len(text)])
        place = closing.end() if closing else len(text)
    answer = "".join(said) + text[place:]
    for closing in list(_CLOSE.finditer(answer))[-1:]:
        thoughts, answer = [answer[: closing.start()], *thoughts], answer[closing.end() :]
    return thoughts, answer


def _unwrapped(answer: str) -> str:
    opening = _WRAPPED.match(answer)
    if opening is None:
        return answer
    inner = answer[opening.end() :]
    closing = _WRAPPED_END.search(inner)
    return (inner[: closing.start()] if closing else inner).strip()


def _bare_channels(text: str) -> bool:
    """Whether a server removed the channel tokens but left the channel names."""
    return text.startswith("analysis") and "<|" not in text


def _by_channel(text: str) -> tuple[str | None, str]:
    """Reasoning and answer in the harmony format: the channel `final` is the answer, all others are reasoning."""
    if _CHANNEL not in text:
        thought, _, answer = text.removeprefix("analysis").partition("assistantfinal")
        return thought.strip() or None, answer.strip()
    found = _FINAL.search(text)
    thought = text[: found.start()] if found else text
    answer = _CHANNEL_END.split(text[found.end() :], maxsplit=1)[0].strip() if found else ""
    plain = _HARMONY_TOKEN.sub(" ", re.sub(r"<\|start\|>assistant|<\|channel\|>\s*\w+", " ", thought))
    return " ".join(plain.split()) or None, answer
