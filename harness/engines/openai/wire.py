"""The wire of OpenAI-compatible servers: requests as JSON, answers and errors as our types. No network here.

Invariants:
- Nothing but text that the model wrote becomes a `Generation`.
- A prompt that the server calls too long is told by fields of its error, never by the wording.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from harness.engines.openai.retry import EmptyAnswer, Transient
from harness.engines.reasoning import split
from harness.errors import EngineError, PromptRefused, RequestRejected
from harness.types import FinishReason, Generation, Request

Json = Mapping[str, Any]

_HINTS = {
    401: "; check the key in the variable of engine.api_key_env",
    403: "; check the key in the variable of engine.api_key_env",
    404: "; check engine.model and engine.base_url",
}
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})


def completion_body(request: Request, model: str, seed: int) -> dict[str, Any]:
    """A vLLM server's `/v1/completions` with token ids."""
    body = _sampling(request, model, seed, request.sampling.penalty) | {
        "prompt": list(request.prompt.ids or ()),
        "max_tokens": request.prompt.max_new_tokens,
        "return_token_ids": True,
        "stop_token_ids": list(request.prompt.stop_ids),
    }
    if request.json_schema is not None:
        body["structured_outputs"] = {"json": request.json_schema}
    return body


def chat_body(request: Request, model: str, seed: int, limit_key: str) -> dict[str, Any]:
    """Any server's `/v1/chat/completions` with messages; `limit_key` is the server's name for the longest answer.

    Whether it knows a repetition penalty is not known: only one that the user set is sent.
    """
    set_by_user = request.sampling.repetition_penalty
    body = _sampling(request, model, seed, request.sampling.penalty if set_by_user else None) | {
        "messages": messages(request),
        limit_key: request.prompt.max_new_tokens,
    }
    if request.json_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.json_schema, "strict": True},
        }
    return body


def messages(request: Request) -> list[dict[str, str]]:
    """The view as a server takes it."""
    return [{"role": message.role, "content": message.content} for message in request.prompt.messages]


def _sampling(request: Request, model: str, seed: int, penalty: float | None) -> dict[str, Any]:
    drawn = request.sampling
    optional = {
        "top_k": drawn.top_k,
        "min_p": drawn.min_p,
        "repetition_penalty": None if penalty == 1.0 else penalty,
        "stop": list(drawn.stop) or None,
    }
    body: dict[str, Any] = {"model": model, "temperature": drawn.temperature, "top_p": drawn.top_p, "seed": seed}
    return body | {name: value for name, value in optional.items() if value is not None}


def generation(request: Request, payload: bytes, content_type: str, latency_s: float) -> Generation:
    """A 200's body as an answer.

    Raises `Transient` for a body that is cut off or no JSON, `EmptyAnswer` for one without text, `EngineError`
    where the model spent all its tokens on reasoning.
    """
    if "json" not in content_type:
        raise Transient(f"the server answered with {content_type or 'no content type'} and not with JSON")
    try:
        answer = orjson.loads(payload)
        choice = answer["choices"][0]
        said = choice.get("message") or {"content": choice["text"]}
        content, finish = said.get("content") or "", choice.get("finish_reason")
        reasoning = said.get("reasoning_content") or said.get("reasoning")
        usage = answer.get("usage") or {}
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Transient("the server's answer is cut off or is not a completion") from error
    inline, text = split(content)
    if finish not in ("stop", "length"):
        raise RequestRejected(f"the server ended {request.request_id} with {finish!r} and not with an answer")
    if not text.strip():
        if finish == "length" and (reasoning or inline):
            raise EngineError(
                f"the model spent all {request.prompt.max_new_tokens} new tokens of {request.request_id} on "
                "reasoning; raise max_new_tokens or turn its reasoning off"
            )
        raise EmptyAnswer("the server answered without any text")
    return Generation(
        text=text,
        token_ids=_ids(choice, edited=text != content),
        finish_reason=FinishReason(finish),
        prompt_tokens=usage.get("prompt_tokens") or request.prompt.tokens,
        counted=bool(usage.get("prompt_tokens")),
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        latency_s=latency_s,
        reasoning=reasoning or inline,
    )


def _ids(choice: Json, *, edited: bool) -> tuple[int, ...]:
    """The sampled ids without the one that ended the turn; none where they are not those of the text."""
    ids = choice.get("token_ids")
    if not ids or edited or isinstance(choice.get("stop_reason"), str):
        return ()
    # vLLM reports the id of an end-of-turn token as the last one when the model stopped by itself.
    return tuple(ids[:-1] if choice["finish_reason"] == "stop" else ids)


def refusal(request: Request, status: int, payload: bytes, window: int) -> RequestRejected:
    """A permanent refusal (4xx) as an error of ours."""
    body = _error_body(payload)
    message = str(body.get("message") or payload[:300].decode("utf-8", "replace"))
    names = {str(body.get(key)) for key in ("code", "type")}
    if body.get("param") == "input_tokens" or names & _TOO_LONG:
        limit, counted = _numbers(body, message, window, request.prompt.max_new_tokens)
        return PromptRefused(
            f"the server calls the prompt of {request.request_id} too long: {message}", limit=limit, counted=counted
        )
    hint = _HINTS.get(status, "")
    return RequestRejected(f"the server rejected {request.request_id} with status {status}: {message}{hint}")


def wants_other_limit(payload: bytes) -> bool:
    """Whether a 400 says that this model does not know `max_tokens` (newer OpenAI models)."""
    body = _error_body(payload)
    return body.get("param") == "max_tokens" and body.get("code") == "unsupported_parameter"


def _error_body(payload: bytes) -> Json:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    inner = body.get("error", body) if isinstance(body, dict) else {}
    return inner if isinstance(inner, dict) else {"message": inner}


def _numbers(body: Json, message: str, window: int, max_new_tokens: int) -> tuple[int | None, int | None]:
    """Limit and count in tokens: from fields where the server has them, else from the numbers of its message."""
    limit, counted = body.get("n_ctx"), body.get("n_prompt_tokens")
    if isinstance(limit, int) and isinstance(counted, int):
        return limit, counted
    numbers = [int(digits) for digits in re.findall(r"\d+", message)]
    found = numbers[0] if numbers else None
    rest = [number for number in numbers[1:] if number not in (found, max_new_tokens)]
    whole = [number for number in rest if number + max_new_tokens in numbers]
    return (window if window in numbers else found), next(iter(whole or rest), None)
