"""Reads error answers of servers in all their forms, and what they mean.

Known forms: an `error` object (OpenAI and most), an `error` string (TGI, LM Studio), `detail` (FastAPI: text, or a
list of places and messages), `message` at the top (older vLLM, SGLang, Mistral), JSON inside such a message (Mistral,
gateways), a list around it (Gemini), the true reason in `metadata.raw` (OpenRouter), a web page (proxies).

Invariants:
- Whether a prompt is too long is decided from what was sent and from the numbers, codes and words in the error.
- The server's own words are kept, without the key and within a bound.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.openai.body import count, parse, text_of
from harness.engines.openai.secrets import Scrubber

_LONGEST, _SHOWN = 8192, 300
"""Characters of a server's words that are read, and that are shown."""
_DEEPEST = 4
_TAG, _BLANKS = (
    re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^>]{0,2000}>", re.DOTALL | re.IGNORECASE),
    re.compile(r"\s+"),
)
_NUMBER = re.compile(r"(?<![\w.-])(?:\d{1,3}(?:,\d{3})+|\d{1,9})(?![\w]|\.\d|,\d)")
_LEAST = 16
"""A smaller number is not a count of a prompt's tokens."""
_TOO_LONG_CODES = frozenset(
    {
        *(
            "context_length_exceeded",
            "exceed_context_size_error",
            "context_window_exceeded",
            "contextwindowexceedederror",
        ),
        *("model_context_window_exceeded", "string_above_max_length", "input_too_long", "prompt_too_long"),
        *("request_too_large", "3051"),
    }
)
_TOO_LONG_WORDS = re.compile(
    r"context (?:length|window|size|limit)|maximum (?:context|prompt|input|sequence)|max[_ ](?:model|seq|context|input)"
    r"|(?:prompt|input|message|request|sequence|conversation)s? (?:is|are|was) (?:too|longer)|too (?:long|many tokens)"
    r"|longer than|(?:reduce|shorten) (?:the |your )?(?:length|prompt|input|messages)|token count|n_ctx|truncate to"
    r"|tokens?\b.{0,80}\b(?:exceed|must be|must have|limit|maximum)|exceed\w*\b.{0,80}\btokens?\b|`inputs`",
    re.IGNORECASE | re.DOTALL,
)
_SURELY_TOO_LONG = re.compile(r"context (?:length|window|size)|prompt is too long|contextwindow", re.IGNORECASE)
_RATE = re.compile(r"rate.?limit|per (?:minute|day|hour)|\b[rt]p[md]\b|quota", re.IGNORECASE)
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "payment_required"}
)
_QUOTA_WORDS = re.compile(
    r"exceeded your current quota|insufficient.{0,20}(?:balance|credit|fund|quota)|credit balance|out of credits"
    r"|payment required|billing",
    re.IGNORECASE,
)
_KEY_CODES = frozenset({"invalid_api_key", "api_key_invalid", "authentication_error"})
_KEY_WORDS = re.compile(r"api.?key (?:is )?(?:not valid|invalid|expired)|(?:invalid|incorrect) api.?key", re.IGNORECASE)
"""In a 400, with which Gemini refuses a key."""
_LOADING = re.compile(r"\bload(?:ing|ed)\b|warm(?:ing|up)|starting|not (?:yet )?ready|initiali[sz]", re.IGNORECASE)
_MODERATED = re.compile(r"moderat|flagged|content.?(?:filter|policy)|safety", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer, read."""

    status: int
    text: str
    """The server's own words."""
    codes: frozenset[str] = frozenset()
    """Its codes and types, in lower case."""
    params: tuple[str, ...] = ()
    """Parameters that its fields name."""
    limit: int | None = None
    counted: int | None = None
    """The server's count of the prompt's tokens, if it has a field for it."""

    @property
    def shown(self) -> str:
        """The server's words, shortened for a message; empty if it has none."""
        return self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "…"

    def quota_used_up(self, pause_s: float | None) -> bool:
        """Whether the account's quota is used up, so that waiting does not help. `pause_s` is how long the server asks to
        wait: some (Gemini) call every per-minute limit a quota."""
        if self.status == 402 or self.codes & _QUOTA_CODES:
            return True
        return pause_s is None and self.status in (400, 403, 429) and bool(_QUOTA_WORDS.search(self.text))

    @property
    def key_refused(self) -> bool:
        if self.codes & _KEY_CODES or (self.status == 400 and _KEY_WORDS.search(self.text)):
            return True
        return self.status == 401 or (self.status == 403 and not _MODERATED.search(self.text))

    @property
    def loading(self) -> bool:
        """Whether the server is up and still loading its model."""
        return self.status in (500, 502, 503) and bool(_LOADING.search(self.text))


def read_fault(status: int, payload: bytes, scrub: Scrubber) -> Fault:
    """Read an error answer. If its body gives a status of its own, that one counts."""
    found = parse(payload)
    if found is None:
        plain = _TAG.sub(" ", text_of(payload[: 4 * _LONGEST].decode("utf-8", "replace")))
        return Fault(status, scrub(_BLANKS.sub(" ", plain).strip()[:_LONGEST]))
    return fault_of(status, found, scrub)


def fault_of(status: int, found: object, scrub: Scrubber) -> Fault:
    """As `read_fault`, from parsed JSON."""
    objects = list(_objects(found, 0))
    words = list(dict.fromkeys(word for each in objects for word in _words(each)))
    if isinstance(found, str):
        words.append(text_of(found))
    text = scrub(_BLANKS.sub(" ", "; ".join(words)).strip()[:_LONGEST])
    values = [each.get(name) for each in objects for name in ("code", "type", "error_type", "status")]
    codes = frozenset(text_of(str(value)).lower() for value in values if isinstance(value, str | int) and str(value))
    inner = next(
        (int(code) for code in codes if code.isdecimal() and len(code) == 3 and 400 <= int(code) < 600), status
    )
    params = tuple(dict.fromkeys(param for each in objects for param in _params(each)))
    limit = next((n for each in objects if (n := count(each.get("n_ctx"))) is not None), None)
    counted = next((n for each in objects if (n := count(each.get("n_prompt_tokens"))) is not None), None)
    return Fault(inner if status < 400 else status, text, codes, params, limit, counted)


def _objects(value: object, depth: int) -> Iterator[Mapping[str, Any]]:
    """All JSON objects that may describe the fault, outer ones first."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = parse(value.encode("utf-8", "replace"))
    if isinstance(value, list):
        for each in value[:20]:
            yield from _objects(each, depth + 1)
    elif isinstance(value, dict):
        yield value
        for name in ("error", "errors", "detail", "message", "metadata", "raw", "details", "fieldViolations"):
            yield from _objects(value.get(name), depth + 1)


def _words(each: Mapping[str, Any]) -> Iterator[str]:
    for name in ("error", "detail", "message", "msg", "description", "raw"):
        value = each.get(name)
        if isinstance(value, str) and value.strip() and value.lstrip()[0] not in "{[":
            place = each.get("loc")
            where = ".".join(map(str, place[-3:])) + ": " if name == "msg" and isinstance(place, list) else ""
            yield where + text_of(value.strip())


def _params(each: Mapping[str, Any]) -> Iterator[str]:
    place = each.get("loc")
    names = [each.get("param"), each.get("field"), *(place if isinstance(place, list) else ())]
    yield from (text_of(name).partition(".")[0] for name in names if isinstance(name, str))


def too_long(fault: Fault, tokens: int, max_new_tokens: int, window: int) -> tuple[int | None, int | None] | None:
    """The limit and the token count that a server gives for a prompt that it calls too long, each None if missing.

    None if the fault is not about a prompt that is too long. `tokens` is our count of the prompt, `window` the window that
    we assumed.
    """
    known = "input_tokens" in fault.params or fault.codes & _TOO_LONG_CODES or fault.status == 413
    if not known and (fault.status in (401, 402, 403, 404, 429) or _RATE.search(fault.text)):
        return None
    if fault.status == 413 and _RATE.search(fault.text):
        return None
    numbers = _numbers(fault.text)
    pair = _pair(numbers, tokens, max_new_tokens, window)
    words = _SURELY_TOO_LONG if fault.status >= 500 else _TOO_LONG_WORDS
    by_numbers = pair is not None and fault.status < 500 and abs(math.log(pair[1] / tokens)) < math.log(2)
    if not known and not words.search(fault.text) and not by_numbers:
        return None
    if "completion tokens" in fault.text and max_new_tokens in numbers and max(numbers) == max_new_tokens:
        return None  # this is about the longest answer, not about the prompt
    if fault.limit is not None and fault.counted is not None:
        return fault.limit, fault.counted
    if pair is not None:
        return pair
    limits = [number for number in numbers if number > max_new_tokens]
    return (window if window in numbers else next(iter(limits), None)), None


def _numbers(text: str) -> list[int]:
    found = [int(digits.replace(",", "")) for digits in _NUMBER.findall(text)]
    return [number for number in dict.fromkeys(found) if number >= _LEAST]


def _pair(numbers: Sequence[int], tokens: int, max_new_tokens: int, window: int) -> tuple[int, int] | None:
    """The limit and the count that exceeds it, from the numbers in a message. Among possible ones, prefers the known
    window, and the count nearest to ours."""
    whole = {number for number in numbers if number - max_new_tokens in numbers and number != window}
    left = [number for number in numbers if number != max_new_tokens and number not in whole]
    pairs = [
        (limit, counted)
        for limit in left
        for counted in left
        if limit != counted and max_new_tokens < limit < counted + max_new_tokens
    ]
    return min(pairs, key=lambda pair: (pair[0] != window, abs(math.log(pair[1] / tokens))), default=None)
