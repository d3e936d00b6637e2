"""Reads the body of a 200 response as an answer, in all the forms that servers use.

Invariants:
- Only text that the model wrote becomes a `Generation`.
- Every number in it is a valid count; a count that the server doesn't report, or reports wrongly, is None.
"""

from collections.abc import Mapping
from typing import Any

from harness.engines.openai.body import count, mapping, parse, text_of
from harness.engines.openai.fault import Fault, fault_of
from harness.engines.openai.retry import NoWords, TooLong, Transient
from harness.engines.openai.secrets import Scrubber
from harness.engines.reasoning import of_chat, split
from harness.errors import EngineError, RequestRejected
from harness.types import FinishReason, Generation, Request, RequestUsage

_STOP = frozenset(
    {
        *(
            "stop",
            "eos",
            "eos_token",
            "end_turn",
            "stop_sequence",
            "stop_token",
            "end",
            "complete",
            "completed",
            "finished",
        )
    }
)
_LENGTH = frozenset({"length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"})
_WITHHELD = frozenset(
    {*("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii", "sensitive", "refusal")}
)
_BROKEN_OFF = frozenset({"error", "network_error", "abort", "aborted", "cancelled", "insufficient_system_resource"})
_CHARACTERS_PER_TOKEN, _MORE_CHARACTERS = 64, 4096
_NOT_JSON = ("html", "event-stream", "xml", "image/", "multipart/")


class ErrorInside(Exception):
    """A 200 response that contains an error and no answer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def generation(
    request: Request, payload: bytes, content_type: str, latency_s: float, scrub: Scrubber | None = None
) -> Generation:
    """The body of a 200 response as an answer. An answer of reasoning alone has an empty text, as on every engine.

    Raises `ErrorInside`; `Transient` for a body that is cut off or is not a completion; `NoWords` and `TooLong` for an
    unusable answer; `RequestRejected` for one that the server withheld.
    """
    scrub = scrub or Scrubber("")
    found = _read(payload, content_type, scrub)
    usage = _usage(found)
    try:
        return _answered(request, found, usage, latency_s, scrub)
    except EngineError as error:
        error.usage = RequestUsage(1, usage[0] or 0, usage[1] or 0, usage[2] or 0)
        raise


def _read(payload: bytes, content_type: str, scrub: Scrubber) -> Mapping[str, Any]:
    """The completion object. Raises `Transient`, `ErrorInside`."""
    if any(kind in content_type for kind in _NOT_JSON):
        raise Transient(f"the server answered with {scrub(content_type[:60])} and not with JSON")
    found = parse(payload)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Transient("the server's answer is cut off or is not a completion")
    if not found.get("choices") and (found.get("error") or found.get("detail")):
        raise ErrorInside(fault_of(200, found, scrub))
    if not isinstance(found.get("choices"), list):
        raise Transient("the server's answer is cut off or is not a completion")
    return found


def _choice(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(found["choices"][0]) if found["choices"] else {}


def _usage(found: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Prompt, cached and completion tokens; None for each that the server does not report."""
    usage = mapping(found.get("usage"))

    def first(*names: str) -> int | None:
        return next((number for name in names if (number := count(usage.get(name))) is not None), None)

    details = mapping(usage.get("prompt_tokens_details"))
    prompt, cached = first("prompt_tokens", "input_tokens"), count(details.get("cached_tokens"))
    if cached is None:
        cached = first("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    if prompt is not None and cached is not None and cached > prompt:  # its prompt count excludes cached tokens
        prompt += cached
    return prompt, cached, first("completion_tokens", "output_tokens")


def _answered(
    request: Request,
    found: Mapping[str, Any],
    usage: tuple[int | None, int | None, int | None],
    latency_s: float,
    scrub: Scrubber,
) -> Generation:
    most, choice = request.prompt.max_new_tokens, _choice(found)
    message = mapping(choice.get("message"))
    content, thought = _content(message.get("content") if message else choice.get("text"))
    if not content:
        content = text_of(message.get("refusal"))
    thought = thought or text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))
    prompt_tokens, cached_tokens, completion_tokens = usage
    finish = _finish(request, choice, content, completion_tokens, scrub)
    form = request.prompt.answer
    if message:
        hidden = count(mapping(mapping(found.get("usage")).get("completion_tokens_details")).get("reasoning_tokens"))
        form = of_chat(form, content, cut=finish is FinishReason.LENGTH, told=bool(thought or hidden))
    inline, text = split(content, form, constrained=request.json_schema is not None)
    if len(text) > _CHARACTERS_PER_TOKEN * most + _MORE_CHARACTERS:
        raise TooLong(f"the server's answer has {len(text)} characters, which max_new_tokens={most} can't fill")
    ids, end_id = _ids(choice, finish)
    answer = Generation(
        text=scrub(text),
        token_ids=ids,
        end_id=end_id,
        logprobs=_logprobs(choice) if request.logprobs else (),
        finish_reason=finish,
        prompt_tokens=prompt_tokens or request.prompt.tokens,
        counted=bool(prompt_tokens),
        completion_tokens=completion_tokens or 0,
        cached_tokens=cached_tokens,
        latency_s=latency_s,
        reasoning=scrub("\n".join(filter(None, (thought, inline)))) or None,
    )
    if not text.strip() and answer.reasoning is None:
        raise NoWords("the server answered without any text", answer)
    return answer


def _content(value: object) -> tuple[str, str]:
    """Text and reasoning of a message's content: a string, or a list of parts. Raises `Transient` for anything else."""
    if value is None or isinstance(value, str):
        return text_of(value), ""
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise Transient("the server's answer is not a completion: its content is no text")
    said, thought = [], []
    for part in value:
        if isinstance(part, str):
            said.append(text_of(part))
            continue
        part = mapping(part)
        kind = text_of(part.get("type")) or "text"
        if kind in ("text", "output_text"):
            said.append(text_of(part.get("text")))
        elif kind in ("thinking", "reasoning", "redacted_thinking"):
            inner = part.get(kind) if part.get(kind) is not None else part.get("text")
            thought.append(_content(inner)[0])
    return "".join(said), "".join(thought)


def _finish(
    request: Request, choice: Mapping[str, Any], content: str, completion_tokens: int | None, scrub: Scrubber
) -> FinishReason:
    """Why the answer ended. Raises `Transient` if it broke off, `RequestRejected` if there is no answer."""
    if choice.get("error"):
        fault = fault_of(200, choice["error"], scrub)
        raise Transient("the server broke off its answer", fault.shown)
    said = choice.get("finish_reason")
    reason = said.lower() if isinstance(said, str) else ""
    if reason in _STOP or (reason in ("tool_calls", "function_call") and content.strip()):
        return FinishReason.STOP
    if reason in _LENGTH:
        return FinishReason.LENGTH
    if reason in _BROKEN_OFF:
        raise Transient(f"the server broke off its answer ({reason})")
    if said is None or reason in ("", "null", "none", "unknown", "finish_reason_unspecified"):
        full = completion_tokens is not None and completion_tokens >= request.prompt.max_new_tokens
        return FinishReason.LENGTH if full else FinishReason.STOP
    withheld = " (its filter withheld the answer)" if reason in _WITHHELD else ""
    raise RequestRejected(
        f"the server ended {request.request_id} with {scrub(text_of(str(said)[:60]))!r} and not with an answer{withheld}"
    )


def _ids(choice: Mapping[str, Any], finish: FinishReason) -> tuple[tuple[int, ...], int | None]:
    """The sampled ids, and the id that ended the turn; empty and None if the server does not report them."""
    ids = choice.get("token_ids")
    if not isinstance(ids, list) or not ids or any(type(token) is not int or count(token) is None for token in ids):
        return (), None
    # vLLM reports the id of an end-of-turn token as the last one when the model stopped by itself.
    if finish is FinishReason.STOP and not isinstance(choice.get("stop_reason"), str):
        return tuple(ids[:-1]), ids[-1]
    return tuple(ids), None


def _logprobs(choice: Mapping[str, Any]) -> tuple[float, ...]:
    """Log-probabilities of the sampled tokens, from a completion or a chat; empty if one of them can't be read."""
    told = mapping(choice.get("logprobs"))
    listed = told.get("token_logprobs")
    if not isinstance(listed, list):
        content = told.get("content")
        listed = [mapping(one).get("logprob") for one in content] if isinstance(content, list) else []
    found = tuple(float(one) for one in listed if isinstance(one, int | float) and not isinstance(one, bool))
    return found if len(found) == len(listed) else ()
