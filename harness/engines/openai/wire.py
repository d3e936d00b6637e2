"""Requests to OpenAI-compatible servers as JSON. They contain only what was asked for."""

from typing import Any

from harness.types import Request


def completion_body(request: Request, model: str, seed: int) -> dict[str, Any]:
    """The body for a vLLM server's `/v1/completions`, with token ids."""
    body = _sampling(request, model, seed, request.sampling.penalty) | {
        "prompt": list(request.prompt.ids or ()),
        "max_tokens": request.prompt.max_new_tokens,
        "return_token_ids": True,
        "stop_token_ids": list(request.prompt.stop_ids),
    }
    if request.logprobs:
        body["logprobs"] = 0  # of the sampled tokens only
    if request.prompt.stop_texts:
        body["stop"] = [*request.sampling.stop, *request.prompt.stop_texts]
    if request.prompt.answer.special:
        body["skip_special_tokens"] = False
    if request.json_schema is not None:
        body["structured_outputs"] = {"json": request.json_schema}
    return body


def chat_body(request: Request, model: str, seed: int) -> dict[str, Any]:
    """The body for any server's `/v1/chat/completions`, with messages.

    A server may not support a repetition penalty, so one is sent only if the user set it.
    """
    set_by_user = request.sampling.repetition_penalty
    body = _sampling(request, model, seed, request.sampling.penalty if set_by_user else None) | {
        "messages": messages(request),
        "max_tokens": request.prompt.max_new_tokens,
    }
    if request.logprobs:
        body["logprobs"] = True
    if request.prompt.template_args:
        body["chat_template_kwargs"] = dict(request.prompt.template_args)
    if request.json_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.json_schema, "strict": True},
        }
    return body


def messages(request: Request) -> list[dict[str, str]]:
    """The messages of the view in the form of a server's API."""
    return [{"role": message.role, "content": message.content} for message in request.prompt.messages]


def _sampling(request: Request, model: str, seed: int, penalty: float | None) -> dict[str, Any]:
    drawn = request.sampling
    optional = {
        "temperature": drawn.temperature,
        "top_p": drawn.top_p,
        "top_k": drawn.top_k,
        "min_p": drawn.min_p,
        "repetition_penalty": None if penalty == 1.0 else penalty,
        "stop": list(drawn.stop) or None,
    }
    body: dict[str, Any] = {"model": model, "seed": seed}
    return body | {name: value for name, value in optional.items() if value is not None}
