"""Finds out what a server has: its models, their windows, and whether its tokenizer is ours.

Invariants:
- A server may lack any of the endpoints that are probed; probes have a short time-out.
- An answer of any shape is either understood or refused in one line.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.openai.body import count, mapping, parse, text_of
from harness.engines.openai.fault import read_fault
from harness.engines.openai.http import Client, Reply
from harness.engines.openai.retry import AttemptFailed
from harness.engines.openai.secrets import Scrubber
from harness.engines.window import model_limit
from harness.errors import ConfigError, EngineError
from harness.models.tokenizer import light_tokenizer

PROBE_S = 10.0
"""Time limit for a probe."""
MOST_BYTES = 16 * 2**20
"""Largest list of models; gateways have thousands."""
_CHECK = "I don't know — it's 9:30, and she said: \"slowly\", twice.\n"
_WINDOWS = (
    *("max_model_len", "context_length", "context_window", "loaded_context_length", "max_context_length", "n_ctx"),
    *("inputTokenLimit", "max_input_tokens", "max_sequence_length"),
)
"""Names under which servers report the window of a model."""
_SHOWN = 10


def cards(payload: bytes, scrub: Scrubber) -> list[dict[str, Any]] | None:
    """The models of a list, each with its `id`; None for a body that is not such a list.

    Known forms: an object with `data` or `models`, a bare list, null, strings for models, an object by name.
    """
    found = parse(payload)
    if found is None and payload.strip() != b"null":
        return None
    if isinstance(found, dict):
        found = found.get("data") if found.get("data") is not None else found.get("models")
    if isinstance(found, dict):
        found = [{"id": name, **mapping(card)} for name, card in found.items()]
    if found is None:
        return []
    if not isinstance(found, list):
        return None
    return list(_named(found, scrub))


def _named(found: list[object], scrub: Scrubber) -> Iterator[dict[str, Any]]:
    for card in found:
        if isinstance(card, str):
            card = {"id": card}
        elif not isinstance(card, dict):
            continue
        name = next((card[key] for key in ("id", "name", "model") if isinstance(card.get(key), str)), None)
        if name:
            yield {**card, "id": scrub(text_of(name))}


def chosen(models: list[dict[str, Any]], wanted: str | None, base: str) -> Mapping[str, Any]:
    """The entry of the model that is `wanted` (None: the only one); empty if the server lists no models.

    Raises `ConfigError` if `wanted` is not in the list, or if it is None and there are several.
    """
    names = ", ".join(sorted(card["id"] for card in models)[:_SHOWN])
    more = f", and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
    if wanted is None:
        own = [card for card in models if not card.get("parent")]
        if len(own) != 1:
            raise ConfigError(
                f"engine.model: not set, expected the name of a model of {base} (it has {names + more or 'no list'})"
            )
        return own[0]
    alike = {wanted, f"models/{wanted}", f"{wanted}:latest"}
    found = next((card for card in models if card["id"] in alike), None)
    if models and found is None:
        raise ConfigError(f"engine.model: found {wanted}, expected a model of {base} ({names}{more})")
    return found or {}


def window_of(card: Mapping[str, Any], models: list[dict[str, Any]]) -> int | None:
    """The window in tokens that a model's entry reports; for an adapter, that of its base. None if there is none."""
    base = next((other for other in models if other["id"] == card.get("parent")), {})
    for source in (card, mapping(card.get("meta")), mapping(card.get("top_provider")), base):
        for name in _WINDOWS:
            if length := count(source.get(name)):
                return length
    return None


def smallest_window(engine: EngineConfig, model: ModelConfig, served: int | None, base: str) -> int:
    """The smallest of the windows that the user, the server and the model give. Raises `ConfigError` if there is none."""
    wanted = engine.max_model_len or model.max_model_len
    said = [length for length in (wanted, served) if length is not None]
    if not said:
        said = [length for length in (_own_limit(model),) if length is not None]
    if not said:
        raise ConfigError(f"engine.max_model_len: {base} does not report its window; set engine.max_model_len=N")
    return min(said)


def _own_limit(model: ModelConfig) -> int | None:
    """The model's own window, if `model.path` can be read and is the server's model; else None."""
    try:
        return None if model.stand_in else model_limit(model)
    except ConfigError:
        return None


def model_list(reply: Reply, base: str, scrub: Scrubber) -> list[dict[str, Any]]:
    """The models that `/models` lists; empty if the server has no such list. Raises `EngineError`."""
    if reply.status >= 300:
        fault = read_fault(reply.status, reply.body, scrub)
        if fault.key_refused:
            told = f": {fault.shown}" if fault.shown else ""
            raise EngineError(
                f"{base} refused the key (status {reply.status}){told}; check the variable of engine.api_key_env"
            )
        if reply.status < 400:
            raise EngineError(redirected(reply, base, scrub))
        return []
    found = cards(reply.body, scrub)
    if found is None:
        kind = "a web page" if "html" in reply.content_type or reply.body.lstrip()[:1] == b"<" else "no list of models"
        raise EngineError(f"engine.base_url: {base}/models answers with {kind}; expected an address that ends in /v1")
    return found


def redirected(reply: Reply, base: str, scrub: Scrubber) -> str:
    """The line for an answer that redirects."""
    where = scrub(reply.headers.get("location", "")[:200])
    return (
        f"engine.base_url: {base} redirects (status {reply.status}) to {where!r}, where no request follows; "
        "set the address that serves the model"
    )


async def same_tokenizer(client: Client, name: str, model: ModelConfig) -> bool:
    """Whether the server's tokenizer is known to give our ids. False if that can't be checked.

    Raises `ConfigError` if it gives other ids, since all counts would be wrong.
    """
    try:
        ours = light_tokenizer(model.path, revision=model.revision)
    except ConfigError:
        return False
    body = orjson.dumps({"model": name, "prompt": _CHECK, "add_special_tokens": False})
    try:
        reply = await client.send("POST", "/tokenize", body, most=MOST_BYTES, timeout_s=PROBE_S)
    except AttemptFailed:
        return False
    theirs = mapping(parse(reply.body)).get("tokens") if reply.status == 200 else None
    if not isinstance(theirs, list):
        return False
    if list(ours(_CHECK, add_special_tokens=False)["input_ids"]) != theirs:
        raise ConfigError(
            f"model.path: the tokenizer of {model.path} is not that of the server's model {name}; "
            "set model= or model.path= to the model that the server runs, or model=remote to estimate"
        )
    return True
