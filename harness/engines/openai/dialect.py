"""Which parameters a server accepts: only requested ones are sent, and one that it refuses by name is not sent again.

Invariants:
- The prompt, the model and the longest answer are always sent.
- Nothing is left out silently: everything learned is reported to the listener.
"""

import re
from collections.abc import Mapping
from typing import Any

from harness.engines.openai.fault import Fault

OPTIONAL = (
    *("top_p", "top_k", "min_p", "repetition_penalty", "temperature", "seed", "stop", "response_format"),
    *("structured_outputs", "stop_token_ids", "return_token_ids"),
)
"""Not `chat_template_kwargs`: without them, a run that set them would be a different run."""
MOST_LESSONS = len(OPTIONAL) + 3
_SCHEMA_WORDS = (
    *("json_schema", "json schema", "json mode", "structured output", "structured outputs"),
    *("structured generation", "guided_json", "guided decoding", "constrained decoding", "grammar"),
)
_ALSO_NAMED = {
    "response_format": _SCHEMA_WORDS,
    "structured_outputs": _SCHEMA_WORDS,
    "top_p": ("topP",),
    "top_k": ("topK",),
}
_COMPLAINT = re.compile(
    r"unsupported|support|unknown|unrecogni[sz]ed|unexpected|extra|invalid|permitted|allowed|cannot|can't|must|only"
    r"|deprecated|range|between|at most|less than|does not|isn't|not available|unavailable|not valid|incompatible",
    re.IGNORECASE,
)
_ONE_OF_BOTH = re.compile(r"\bboth\b|only one|either|together|at the same time", re.IGNORECASE)
_DEFAULT_ONLY = re.compile(r"\bdefault\b", re.IGNORECASE)
_OTHER_LIMIT = re.compile(r"max_completion_tokens.{0,40}instead|instead.{0,40}max_completion_tokens", re.IGNORECASE)
_REAL = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,6})?(?![\w.]*\d)")


class Dialect:
    """The parameters that one server was found to accept; shared by all requests to it."""

    def __init__(self, extra: Mapping[str, Any] | None = None) -> None:
        """`extra` are the user's own parameters, by name; null leaves out one of ours."""
        self._extra = dict(extra or {})
        self._limit_key = "max_tokens"
        self._refused: set[str] = set()
        self._hottest: float | None = None
        self._takes_zero = True

    def spoken(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request's body in the form that this server accepts."""
        said = {name: value for name, value in body.items() if name not in self._refused}
        if self._limit_key != "max_tokens" and "messages" in said:
            said[self._limit_key] = said.pop("max_tokens")
        if self._hottest is not None and said.get("temperature", 0.0) > self._hottest:
            said["temperature"] = self._hottest
        if not self._takes_zero and said.get("temperature") == 0.0:
            del said["temperature"]
        for name, value in self._extra.items():
            if value is None:
                said.pop(name, None)
            else:
                said[name] = value
        return said

    def learn(self, fault: Fault, sent: Mapping[str, Any]) -> tuple[bool, str]:
        """Learn from the refusal of a body that was `sent`.

        Returns whether to send it again in another form, and what was learned, as text. The text is empty if another
        request in flight has learned it already.
        """
        if fault.status not in (400, 422):
            return False, ""
        if "max_tokens" in sent and self._wants_other_limit(fault):
            new = self._limit_key == "max_tokens"
            self._limit_key = "max_completion_tokens"
            return True, "it takes `max_completion_tokens` for `max_tokens`" if new else ""
        named = self._named(fault, sent)
        if named == ["temperature"] and sent["temperature"] == 0.0:
            new, self._takes_zero = self._takes_zero, False
            return True, "it does not take a `temperature` of 0, which is left out" if new else ""
        if named == ["temperature"] and (hottest := _ceiling(fault.text, sent["temperature"])) is not None:
            new = self._hottest is None or hottest < self._hottest
            self._hottest = hottest if new else self._hottest
            return True, f"its highest `temperature` is {hottest:g}, which is sent for a higher one" if new else ""
        fresh = [name for name in named if name not in self._refused]
        self._refused.update(named)
        words = ", ".join(f"`{name}`" for name in fresh)
        return bool(named), f"it does not take {words}; sent no more" if fresh else ""

    @staticmethod
    def _wants_other_limit(fault: Fault) -> bool:
        unsupported = "max_tokens" in fault.params and "unsupported_parameter" in fault.codes
        return unsupported or bool(_OTHER_LIMIT.search(fault.text))

    def _named(self, fault: Fault, sent: Mapping[str, Any]) -> list[str]:
        """Those of our parameters that a refusal names."""
        ours = [name for name in OPTIONAL if name in sent and name not in self._extra]
        by_field = [name for name in ours if name in fault.params]
        told = by_field or (
            [name for name in ours if _mentions(fault.text, name)] if _COMPLAINT.search(fault.text) else []
        )
        if len(told) > 1 and _ONE_OF_BOTH.search(fault.text):
            return told[:1]
        if by_field == ["temperature"] and "top_p" in ours and _ONE_OF_BOTH.search(fault.text):
            return ["top_p"]
        return told


def _mentions(text: str, name: str) -> bool:
    words = [re.escape(name), *(f"(?i:{re.escape(word)})" for word in _ALSO_NAMED.get(name, ()))]
    return bool(re.search(rf"(?<![A-Za-z_])(?:{'|'.join(words)})(?![A-Za-z_])", text))


def _ceiling(text: str, sent: float) -> float | None:
    """The highest temperature that a refusal of a higher one allows; None if it refuses all but the default."""
    if sent <= 1.0 or _DEFAULT_ONLY.search(text):
        return None
    allowed = [
        value for value in map(float, _REAL.findall(text.replace("..", " "))) if 0.0 < value < sent and value <= 2.0
    ]
    return max(allowed, default=None)
