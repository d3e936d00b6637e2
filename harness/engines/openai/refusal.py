"""The exception for an error answer; its class says which sessions it concerns.

Invariant: an error that concerns all sessions (the key, the quota) is `EngineUnavailable`, one that another attempt may
fix is `AttemptFailed`, a prompt that is too long is `PromptRefused`. All others fail their own session only.
"""

from collections.abc import Mapping

from harness.engines.openai.fault import Fault, too_long
from harness.engines.openai.http import Away
from harness.engines.openai.retry import asked_pause, failure, told_pause
from harness.errors import EngineError, EngineUnavailable, PromptRefused, RequestRejected
from harness.types import Request

_NO_TEMPLATE_ARGS = (
    "; model.template_args are sent as chat_template_kwargs, which this server does not accept: remove them (and model=, if it "
    "is a preset that sets them), or set a parameter that it accepts in engine.extra_body"
)
_HINTS = {403: "; check the key in the variable of engine.api_key_env", 404: "; check engine.model and engine.base_url"}


def error_of(fault: Fault, headers: Mapping[str, str], request: Request, base: str, window: int) -> EngineError:
    """The error for a `fault` that came with `headers` (names in lower case) from the server at `base`."""
    told = fault.shown or "it does not say why"
    pause_s = asked_pause(headers)
    pause_s = told_pause(fault.text) if pause_s is None else pause_s
    if fault.quota_used_up(pause_s):
        return EngineUnavailable(f"the quota at {base} is used up (status {fault.status}): {told}")
    if fault.key_refused:
        return EngineUnavailable(
            f"{base} refused the key (status {fault.status}): {told}; check the variable of engine.api_key_env"
        )
    overflow = too_long(fault, request.prompt.tokens, request.prompt.max_new_tokens, window)
    if overflow is not None:
        limit, counted = overflow
        return PromptRefused(
            f"the server calls the prompt of {request.request_id} too long: {told}", limit=limit, counted=counted
        )
    if fault.loading:
        return Away(f"{base} is not ready ({told})")
    status = 502 if fault.status < 400 else fault.status  # an error in a 200 that gives no status of its own
    failed = failure(status, pause_s, f"the server answered with status {fault.status}", fault.shown)
    if failed is not None:
        return failed
    hint = _HINTS.get(fault.status, "")
    if request.prompt.template_args and any("chat_template_kwargs" in text for text in (*fault.params, fault.text)):
        hint = _NO_TEMPLATE_ARGS
    return RequestRejected(f"the server rejected {request.request_id} with status {fault.status}: {told}{hint}")
