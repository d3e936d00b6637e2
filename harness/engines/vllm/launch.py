"""Starts a vLLM engine: its arguments, its environment, its child processes.

Invariants:
- The terminal's Ctrl-C never ends the children, and they never outlive this process (see `watchdog.py`).
- Environment variables are set while the engine starts and restored afterwards.
- A cancelled start leaves no process behind.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from multiprocessing import active_children, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.cores import cores
from harness.engines.vllm.adapters import Adapters
from harness.engines.vllm.watchdog import guard
from harness.errors import ConfigError, EngineError, first_line
from harness.models.tokenizer import folder_for_engine

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs

CLOSE_S = 10.0
"""Time for the children to end by themselves."""

_OURS = {
    "model",
    "tokenizer",
    "max_model_len",
    "dtype",
    "revision",
    "trust_remote_code",
    "enable_lora",
    "max_loras",
    "max_lora_rank",
}
"""Engine arguments for which the harness has a setting of its own, the same for every engine."""

_POLL_S = 0.1
_GIB = 1024**3


class Launch:
    """Runs `build` in a thread, so that loading (half a minute) does not block the event loop, and starts the watchdogs as
    soon as the engine processes exist.
    """

    def __init__(self, build: Callable[["Launch"], None]) -> None:
        self._build = build
        self._loop = asyncio.get_running_loop()
        self._built: asyncio.Future[None] = self._loop.create_future()
        self._given_up = threading.Event()
        self._before = {child.pid for child in active_children()}
        self._watchdogs: dict[int, subprocess.Popen[bytes]] = {}
        threading.Thread(target=self._run, name="vllm-start", daemon=True).start()

    async def done(self) -> None:
        """Wait until `build` is done; raises what it raised."""
        while not self._built.done():
            await asyncio.wait([self._built], timeout=_POLL_S)
            for child in self._children():
                if child.pid is not None and child.pid not in self._watchdogs:
                    self._watchdogs[child.pid] = guard([child.pid])
        self._built.result()

    def check(self) -> None:
        """Called by `build` before it starts a child. Raises `EngineError` if the start was cancelled."""
        if self._given_up.is_set():
            raise EngineError("the start of vLLM was given up")

    async def give_up(self) -> None:
        """End a cancelled start: kill the child, which makes the thread fail and end."""
        self._given_up.set()
        deadline = time.monotonic() + CLOSE_S
        while not self._built.done() and time.monotonic() < deadline:
            for child in self._children():
                child.kill()
            await asyncio.wait([self._built], timeout=_POLL_S)
        if self._built.done():
            self._built.exception()  # retrieved, so that asyncio does not log it

    async def end(self) -> None:
        """Wait for the watchdogs, which end with the processes that they watch."""
        for watchdog in self._watchdogs.values():
            await asyncio.to_thread(watchdog.wait, CLOSE_S)
        self._watchdogs.clear()

    def _children(self) -> list[BaseProcess]:
        return [
            child
            for child in active_children()
            if child.pid not in self._before and child.name.startswith("EngineCore")
        ]

    def _run(self) -> None:
        # Children inherit the mask, so the terminal's Ctrl-C stays pending in them and we decide when they end.
        # multiprocessing's tracker would start with the first child and unblock the signal, so start it now.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._build(self)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._built.set_exception, error)
        else:
            self._loop.call_soon_threadsafe(self._built.set_result, None)


def engine_args(
    engine: EngineConfig, model: ModelConfig, window: int, adapters: "Adapters | None" = None
) -> "AsyncEngineArgs":
    """vLLM's arguments: our settings and defaults, overridden by `engine.args`, whose names are checked."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform

    check_args(engine.args, {field.name for field in fields(AsyncEngineArgs)})
    values: dict[str, Any] = {
        "model": model.path,
        "revision": model.revision,
        "tokenizer_revision": model.revision,
        "dtype": model.dtype,
        "max_model_len": window,
        "trust_remote_code": model.trust_remote_code,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "generation_config": "auto",
        # Allow no extra white space in JSON: small models otherwise spend all their tokens on it.
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
    }
    if current_platform.is_cpu():
        # The cache reuses whole blocks only. With vLLM's 128 tokens per block on CPUs, every turn and every question of a
        # judge would compute half a block again; 32 is the least that its kernels accept.
        values |= {"enforce_eager": True, "enable_chunked_prefill": False, "block_size": 32}
    if adapters:
        # On a CPU, vLLM gives a request without an adapter the weights of the last slot (it indexes with -1), so there is
        # one slot more than adapters, and it stays empty.
        slots = len(adapters) + current_platform.is_cpu()
        values |= {"enable_lora": True, "max_loras": slots, "max_lora_rank": adapters.rank}
    # vLLM would load the tokenizer by the class that its folder names, which may not do what tokenizer.json says.
    if folder := folder_for_engine(model.path, revision=model.revision, trust_remote_code=model.trust_remote_code):
        values |= {"tokenizer": folder, "tokenizer_revision": None}
    values |= engine.args
    try:
        return AsyncEngineArgs(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"engine.args: {first_line(error)}") from error


def check_args(args: Mapping[str, Any], known: set[str]) -> None:
    """Raise `ConfigError` for `engine.args` that vLLM does not have, or that a setting of the harness decides."""
    lines = []
    for name in args:
        if name in _OURS:
            lines.append(f"engine.args.{name}: use the setting of the model or the engine, not engine.args")
        elif name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            lines.append(f"engine.args.{name}: not an engine argument of the installed vLLM{hint}")
    if lines:
        raise ConfigError(*lines)


@contextlib.contextmanager
def environment(engine: EngineConfig, log: Path | None) -> Iterator[None]:
    """Set the variables that vLLM reads at start, except those that the user set; restore all afterwards."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="harness-vllm-") as folder:
        defaults = {
            "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a forked child would inherit our locks and sockets
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_LEVEL": "INFO" if log else "ERROR",
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
            "GLOO_LOG_LEVEL": "ERROR",
            "TORCH_CPP_LOG_LEVEL": "ERROR",
            "TORCH_LOGS": "-all",
            "PYTHONWARNINGS": "ignore",
        }
        if cores() == 2:
            # vLLM's CPU build keeps one core free for its busy-waiting scheduler; of two cores that is half the machine.
            defaults["VLLM_CPU_NUM_OF_RESERVED_CPU"] = "0"
        if "kv_cache_memory_bytes" not in engine.args:
            defaults["VLLM_CPU_KVCACHE_SPACE"] = str(cpu_cache_gib(_total_memory()))
        if log is not None:
            config = Path(folder) / "logging.json"
            config.write_text(json.dumps(_log_config(log)), "utf-8")
            defaults["VLLM_LOGGING_CONFIG_PATH"] = str(config)
        for name, value in defaults.items():
            os.environ.setdefault(name, value)
        try:
            yield
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)


def _log_config(log: Path) -> dict[str, Any]:
    log.parent.mkdir(parents=True, exist_ok=True)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log.resolve()), "formatter": "line"}},
        "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
    }


def cpu_cache_gib(total_bytes: int) -> int:
    """Default size of the KV cache on a CPU, in GiB: a quarter of the memory, at least 1 and at most 4."""
    return min(4, max(1, total_bytes // 4 // _GIB))


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
