"""Decides whether two configs are the same experiment: compares the settings that can change results, and no others."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from harness.errors import StorageError
from harness.store.records import RunRecord

_LOCALIZED = re.compile(r"template\.\w+\.[a-z]{2,3}")
_FREE = frozenset({"run", "concurrency", "on_failure", "executor", "keep", "judge", "judging"})
"""Top-level settings that can't change a dialogue."""
_FREE_OF_ENGINE = frozenset(
    {
        *("request_timeout_s", "outage_s", "max_restarts", "max_batch", "latency_s", "api_key_env", "chosen_by_auto"),
        "base_url",
    }
)
"""The same for an engine. Batching changes the last digits of sums, as `concurrency` does, which does not make another
experiment. Nor does another address of a server, since its model is requested by name."""
_FREE_OF_VLLM = frozenset(
    {
        *("gpu_memory_utilization", "kv_cache_memory_bytes", "cpu_offload_gb", "swap_space", "num_gpu_blocks_override"),
        *("max_num_seqs", "max_num_batched_tokens", "enforce_eager", "max_cudagraph_capture_size"),
        *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "max_parallel_loading_workers"),
    }
)
"""The same for vLLM's engine arguments: those for memory and for the distribution of work."""


def config_hash(config: Mapping[str, Any], contents: Mapping[str, str] | None = None) -> str:
    """SHA-256 of a resolved config as JSON, without settings that can't change results, and of `contents`, if given."""
    known = {**binding(config), **{f"content of {key}": value for key, value in (contents or {}).items()}}
    return hashlib.sha256(orjson.dumps(known, option=orjson.OPT_SORT_KEYS)).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines `KEY: OLD -> NEW` for the settings that can change results, by key."""
    before, after = binding(old), binding(new)
    keys = sorted(before.keys() | after.keys())
    return [
        f"{key}: {_shown(before, key)} -> {_shown(after, key)}"
        for key in keys
        if _shown(before, key) != _shown(after, key)
    ]


def refuse_changed(
    record: RunRecord,
    config: Mapping[str, Any],
    persona_hashes: Mapping[str, str],
    contents: Mapping[str, str] | None = None,
) -> None:
    """Raise `StorageError` with the differences unless `config`, the personas and (if given) the `contents` of the files
    that it names are those of the run."""
    lines = differences(record.config, config)
    lines += _changed("persona", record.persona_hashes, persona_hashes)
    if contents is not None:
        known = recorded_contents(record)
        asked = {key: digest for key, digest in contents.items() if key in known or not _came_later(key, record)}
        lines += _changed("content of", known, asked)
    if lines:
        head = f"run {record.name}: the config is not the one that the run started with; undo this or start another run"
        raise StorageError(f"{head}:", *(f"  {line}" for line in lines))


def recorded_contents(record: RunRecord) -> Mapping[str, str]:
    """The content hashes of a run; if it was made before they were recorded, those of its models."""
    if record.content_hashes:
        return record.content_hashes
    return {f"{role}.model": model.sha256 for role, model in record.provenance.models.items() if model.sha256}


def is_data(key: str) -> bool:
    """Whether a content hash is of the harness's own data, which depends on the patients' languages, not on a setting."""
    return key.startswith("data.") or _LOCALIZED.fullmatch(key) is not None


def _came_later(key: str, record: RunRecord) -> bool:
    """Whether the run was begun before this content hash was recorded."""
    known = record.content_hashes
    return not known or (is_data(key) and not any(name.startswith("data.") for name in known))


def _changed(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [
        f"{what} {name}: {_state(before, name)} -> {_state(after, name)}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def binding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that can change results, by dotted key."""
    free = _FREE if _is_course(config) else {*_FREE, "course"}
    flat = _flatten({key: value for key, value in config.items() if key not in free})
    return {key: value for key, value in flat.items() if not _is_free(key) and not _is_unused(key, value)}


def _is_unused(key: str, value: object) -> bool:
    """Whether a setting that older runs lack has no value."""
    return key.endswith("engine.extra_body") and not value


def _is_course(config: Mapping[str, Any]) -> bool:
    """Whether a config has courses; if not, the settings of a course have no effect."""
    course = config.get("course")
    return isinstance(course, Mapping) and course.get("sessions", 1) != 1


def _is_free(key: str) -> bool:
    parts = key.split(".")
    if parts[-3:-1] == ["engine", "args"]:
        return parts[-1] in _FREE_OF_VLLM
    return len(parts) >= 2 and parts[-2] == "engine" and (parts[-1] in _FREE_OF_ENGINE or key.endswith("engine.args"))


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return orjson.dumps(flat[key]).decode() if key in flat else "(not set)"


def _state(hashes: Mapping[str, str], name: str) -> str:
    return hashes[name][:12] if name in hashes else "(not in the run)"
