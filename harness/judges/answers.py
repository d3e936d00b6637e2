"""The format of an answer, and the parser of a model's text.

Invariant: only a text that is exactly one answer of the item counts; nothing is guessed, completed or defaulted.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.judges.refusals import is_refusal, reason_declines
from harness.judges.rubric import Item
from harness.judges.status import Status

MOST_QUOTES = 4
LONGEST_QUOTE = 240
LONGEST_REASON = 300
_LARGEST_TURN = 1_000_000
LONGEST_TEXT = 16_384
"""Most characters of a model's answer; a longer text is not parsed."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote from the transcript, as the judge gives it."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer in the right format; its quotes are not verified yet."""

    answer: str
    """Id of an answer of the item, or an abstention."""
    quotes: tuple[Quote, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why a text is no answer. The model sees `problem` at its second attempt: another wording is another prompt."""

    status: Status
    problem: str


def choices(item: Item) -> list[str]:
    """All possible answers of an item: its answers, then its abstentions."""
    return [*(answer.id for answer in item.answers), *item.abstain]


def answer_schema(item: Item) -> dict[str, Any]:
    """The JSON schema of an answer: evidence first, then the reason, then the answer that follows from them.

    Lengths are bounded. There is no `pattern`, because some structured-output backends handle it incorrectly.
    """
    quote = {
        "type": "object",
        "properties": {
            "turn": {"type": "integer", "minimum": 0},
            "quote": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUOTE},
        },
        "required": ["turn", "quote"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "evidence": {"type": "array", "items": quote, "maxItems": MOST_QUOTES},
            "reason": {"type": "string", "maxLength": LONGEST_REASON},
            "answer": {"type": "string", "enum": choices(item)},
        },
        "required": ["evidence", "reason", "answer"],
        "additionalProperties": False,
    }


_FENCE = re.compile(r"```\w*+(.*)```", re.DOTALL)


def read_answer(text: str, item: Item, *, cut: bool) -> Answered | NoAnswer:
    """Parse a model's text; `cut` if it stopped at its token limit."""
    if cut:
        return NoAnswer(Status.UNPARSED, "the answer was cut off at its token limit")
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        return NoAnswer(Status.UNPARSED, f"an answer of {len(text)} characters")
    fenced = _FENCE.fullmatch(text)
    try:
        data = json.loads(
            fenced[1].strip() if fenced else text, parse_constant=_no_constant, object_pairs_hook=_each_key_once
        )
    except (ValueError, RecursionError) as error:
        if "{" not in text and is_refusal(text):  # an apology with an answer may be parseable at the second attempt
            return NoAnswer(Status.REFUSED, f"the model declined: {text[:80]}")
        why = str(error) if isinstance(error, _NotOneAnswer) else "not JSON"
        return NoAnswer(Status.UNPARSED, why if text else "an empty answer")
    return _checked(data, item)


class _NotOneAnswer(ValueError):
    """JSON that is ambiguous or invalid."""


def _no_constant(name: str) -> float:
    raise _NotOneAnswer(f"{name} is no JSON")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises `_NotOneAnswer` if a key occurs twice, because it is ambiguous."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NotOneAnswer("a key stands there twice")
    return found


def _checked(data: object, item: Item) -> Answered | NoAnswer:
    if not isinstance(data, Mapping) or data.keys() != {"evidence", "reason", "answer"}:
        return NoAnswer(Status.UNPARSED, "not an object of evidence, reason and answer")
    answer, reason, evidence = data["answer"], data["reason"], data["evidence"]
    if not isinstance(answer, str):
        return NoAnswer(Status.UNPARSED, f"answered {json.dumps(answer)[:40]}, which is no text")
    if answer not in choices(item):
        return NoAnswer(
            Status.UNPARSED, f"answered {_clean(answer)[:40]!r}, which is none of {', '.join(choices(item))}"
        )
    if not isinstance(reason, str) or not isinstance(evidence, list):
        return NoAnswer(Status.UNPARSED, "reason is no text or evidence no list")
    if reason_declines(reason):
        return NoAnswer(Status.REFUSED, f"the model declined: {_clean(reason)[:80]}")
    quotes: list[Quote] = []
    for entry in evidence:
        if not isinstance(entry, Mapping) or entry.keys() != {"turn", "quote"}:
            return NoAnswer(Status.UNPARSED, "an entry of evidence that is not turn and quote")
        turn, quote = entry["turn"], entry["quote"]
        if type(turn) is not int or abs(turn) > _LARGEST_TURN or not isinstance(quote, str):
            return NoAnswer(
                Status.UNPARSED, "an entry of evidence whose turn is no whole number or whose quote no text"
            )
        quotes.append(Quote(turn, _clean(quote)))
    if len(quotes) > 4 * MOST_QUOTES:
        return NoAnswer(Status.UNPARSED, f"{len(quotes)} quotes")
    return Answered(answer, tuple(quotes), _clean(reason)[: 4 * LONGEST_REASON])


def _clean(text: str) -> str:
    """Text that can be written to a file: JSON may contain unpaired surrogates."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
