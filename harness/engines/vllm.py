"""vLLM in this process: AsyncLLM with continuous batching over all sessions; the model runs in a child process.

Invariants:
- Nothing that this module sends can kill the engine: no prompt that does not fit, no per-request seed where
  vLLM can't honour it, no token id of its own.
- The child never dies of the terminal's Ctrl-C, and never outlives this process (see `watchdog.py`).
- Environment variables are set while the engine starts and put back afterwards.
"""

import asyncio
import contextlib
import gc
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
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.adapters import Adapter, Adapters
from harness.engines.base import EngineInfo
from harness.engines.reasoning import split
from harness.engines.watchdog import guard
from harness.engines.window import checked_ids, context_window
from harness.errors import ConfigError, EngineError, EngineUnavailable, PromptRefused, RequestRejected
from harness.types import FinishReason, Generation, Request

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.v1.engine.async_llm import AsyncLLM

_OURS = {"model", "tokenizer", "max_model_len", "dtype", "revision", "trust_remote_code", "enable_lora"}
"""Engine arguments that have a setting of their own, with the same meaning for every engine."""

_GIB = 1024**3
_CLOSE_S = 10.0


class VllmEngine:
    """One vLLM engine. `adapters` are the LoRA folders that requests may name; `log` takes vLLM's own messages."""

    def __init__(
        self,
        engine: EngineConfig,
        model: ModelConfig,
        *,
        adapters: tuple[Path, ...] = (),
        log: Path | None = None,
    ) -> None:
        self._engine, self._model, self._log = engine, model, log
        self._window = context_window(engine, model)
        self._adapters = Adapters.load(adapters)
        self._llm: AsyncLLM | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._seeded = True
        self._end_ids: frozenset[int] = frozenset()

    async def start(self) -> EngineInfo:
        """Load the model in a child process. Raises `ConfigError` (bad engine.args) or `EngineError`."""
        starter = _Starter(self._build)
        try:
            await starter.wait()
        except asyncio.CancelledError:
            await starter.give_up()
            await self.close()
            raise
        try:
            return await self._started()
        except BaseException:
            await self.close()
            raise

    def _build(self) -> None:
        """Make the AsyncLLM; blocks for as long as the model loads."""
        # Children inherit the mask: the terminal's Ctrl-C stays pending in them for ever, and we decide when they end.
        # multiprocessing's tracker starts with the first child and would unblock the signal again, so it starts now.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        with _environment(self._engine, self._log):
            from vllm.v1.engine.async_llm import AsyncLLM

            args = engine_args(self._engine, self._model, self._window, self._adapters)
            try:
                self._llm = AsyncLLM.from_engine_args(args)
            except Exception as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                where = f"; its log is {self._log}" if self._log else ""
                raise EngineError(f"vLLM can't start {self._model.path}: {reason}{where}") from error

    async def _started(self) -> EngineInfo:
        llm = self.llm
        self._watchdog = guard(self._pids())
        for process in _processes(llm):
            asyncio.get_running_loop().add_reader(process.sentinel, partial(self._child_ended, process.sentinel))
        config = llm.vllm_config
        on_cpu = config.device_config.device_type == "cpu"
        chunked = config.scheduler_config.enable_chunked_prefill
        # vLLM rewinds a seeded request's generator after a partial prefill, which a CPU generator can't do:
        # the error ends the engine. Without partial prefills a seed is safe.
        self._seeded = not (on_cpu and chunked)
        self._window = config.model_config.max_model_len
        self._end_ids = _end_ids(llm)
        if self._adapters:
            await self._check_adapters()
        cache = config.cache_config
        tokens = cache.kv_cache_size_tokens or (cache.num_gpu_blocks or 0) * cache.block_size
        return EngineInfo(
            kind="vllm",
            model=self._model.path,
            max_model_len=self._window,
            kv_cache_tokens=tokens or None,
            cache_block_tokens=cache.block_size if cache.enable_prefix_caching else None,
            details=_details(llm, self._seeded),
        )

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt; a cancelled call aborts its request in the engine."""
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        llm = self.llm
        ids = checked_ids(request.prompt, self._window)
        lora = self._adapters.request(request.adapter)
        began = time.perf_counter()
        last: RequestOutput | None = None
        try:
            async for output in llm.generate(
                {"prompt_token_ids": list(ids)}, self._params(request), request.request_id, lora_request=lora
            ):
                last = output
        except EngineDeadError as error:
            raise EngineUnavailable("the vLLM engine process died") from error
        except VLLMClientError as error:
            raise _refusal(error, request) from error
        except EngineGenerateError as error:
            if llm.errored:
                raise EngineUnavailable("the vLLM engine process died") from error
            cause = error.__cause__ or error
            raise EngineError(f"vLLM failed on {request.request_id}: {type(cause).__name__}: {cause}") from error
        except ValueError as error:
            raise RequestRejected(f"vLLM rejected {request.request_id}: {error}") from error
        if last is None:
            raise EngineUnavailable("the vLLM engine ended a request without an answer")
        return self._generation(last, request, time.perf_counter() - began)

    async def close(self) -> None:
        """End the child processes and wait for them."""
        llm, self._llm = self._llm, None
        if llm is None:
            return
        processes = _processes(llm)
        for process in processes:
            asyncio.get_running_loop().remove_reader(process.sentinel)
        # Its reader would take the end of the child for a crash and log it, so it ends first.
        if llm.output_handler is not None:
            llm.output_handler.cancel()
            await asyncio.wait([llm.output_handler])
        await asyncio.to_thread(llm.shutdown, _CLOSE_S)
        for process in processes:
            if process.is_alive():
                process.kill()
            await asyncio.to_thread(process.join, _CLOSE_S)
        if self._watchdog is not None:
            await asyncio.to_thread(self._watchdog.wait, _CLOSE_S)
            self._watchdog = None
        del llm
        gc.collect()  # AsyncLLM is full of cycles, and its __del__ fails when the interpreter is already going

    @property
    def llm(self) -> "AsyncLLM":
        """The running vLLM engine, for benchmarks and diagnosis."""
        if self._llm is None:
            raise EngineUnavailable("the vLLM engine is not running")
        return self._llm

    def pids(self) -> tuple[int, ...]:
        """Process ids of the engine's children; empty when it is not running."""
        return tuple(self._pids()) if self._llm is not None else ()

    def _child_ended(self, sentinel: int) -> None:
        """Tell everyone who waits. vLLM itself does so for a crash only, not for a child that a SIGTERM ended."""
        from vllm.v1.engine.exceptions import EngineDeadError

        asyncio.get_running_loop().remove_reader(sentinel)
        if self._llm is not None:
            self._llm.engine_core.resources.engine_dead = True
            self._llm.output_processor.propagate_error(EngineDeadError())

    def _pids(self) -> list[int]:
        return [process.pid for process in _processes(self.llm) if process.pid is not None]

    def _params(self, request: Request) -> "SamplingParams":
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        drawn = request.sampling
        return SamplingParams(
            temperature=drawn.temperature,
            top_p=drawn.top_p,
            top_k=drawn.top_k or 0,
            min_p=drawn.min_p or 0.0,
            repetition_penalty=drawn.repetition_penalty or 1.0,
            stop=list(drawn.stop),
            seed=request.seed % 2**63 if self._seeded else None,
            max_tokens=request.prompt.max_new_tokens,
            skip_special_tokens=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=_constraint(request.json_schema),
        )

    def _generation(self, output: "RequestOutput", request: Request, latency_s: float) -> Generation:
        done = output.outputs[0]
        if done.finish_reason not in ("stop", "length"):
            raise EngineError(f"vLLM ended {request.request_id} with {done.finish_reason!r} and not with an answer")
        ids = tuple(done.token_ids)
        sampled = len(ids)
        reasoning, text = split(done.text)
        if isinstance(done.stop_reason, str) or text != done.text:
            ids = ()  # something was cut from the text, so the ids are no longer those of the text
        elif done.finish_reason == "stop" and ids and ids[-1] in self._end_ids:
            ids = ids[:-1]
        return Generation(
            text=text,
            token_ids=ids,
            finish_reason=FinishReason(done.finish_reason),
            prompt_tokens=len(output.prompt_token_ids or ()),
            completion_tokens=sampled,
            cached_tokens=output.num_cached_tokens or 0,
            latency_s=latency_s,
            reasoning=reasoning,
        )

    async def _check_adapters(self) -> None:
        """Every adapter must change what the model says, or it was not applied."""
        for adapter in self._adapters:
            base, adapted = await asyncio.gather(self._first_logprobs(None), self._first_logprobs(adapter))
            adapter.check(base, adapted)

    async def _first_logprobs(self, adapter: Adapter | None) -> Mapping[int, float]:
        """Log probabilities of the most likely first tokens after a fixed prompt."""
        from vllm import SamplingParams

        params = SamplingParams(temperature=0.0, max_tokens=1, logprobs=5)
        lora = adapter.lora() if adapter else None
        name = f"canary/{adapter.name if adapter else 'base'}/{time.monotonic_ns()}"
        async for output in self.llm.generate(
            {"prompt_token_ids": self._canary_ids()}, params, name, lora_request=lora
        ):
            done = output.outputs[0]
        assert done.logprobs is not None
        return {token: logprob.logprob for token, logprob in done.logprobs[0].items()}

    def _canary_ids(self) -> list[int]:
        return list(self.llm.renderer.get_tokenizer().encode("Tell me how your day was."))


class _Starter:
    """Runs `build` in a thread of its own, so that the event loop stays free for half a minute of loading."""

    def __init__(self, build: Callable[[], None]) -> None:
        self._build = build
        self._loop = asyncio.get_running_loop()
        self._built: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="vllm-start", daemon=True)

    async def wait(self) -> None:
        self._thread.start()
        await asyncio.shield(self._built)

    def _run(self) -> None:
        try:
            self._build()
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._built.set_exception, error)
        else:
            self._loop.call_soon_threadsafe(self._built.set_result, None)

    async def give_up(self) -> None:
        """End a start that nobody waits for: kill the child, which makes the thread fail and end."""
        from multiprocessing import active_children

        deadline = time.monotonic() + _CLOSE_S
        while not self._built.done() and time.monotonic() < deadline:
            for child in active_children():
                if child.name.startswith("EngineCore"):
                    child.kill()
            await asyncio.wait([self._built], timeout=0.05)
        if self._built.done():
            self._built.exception()  # taken note of


def engine_args(
    engine: EngineConfig, model: ModelConfig, window: int, adapters: "Adapters | None" = None
) -> "AsyncEngineArgs":
    """vLLM's arguments: our settings, our defaults, and over them `engine.args`, checked by name."""
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
        # No free white space between JSON tokens: small models otherwise spend all their tokens on it.
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
    }
    if current_platform.is_cpu():
        values |= {"enforce_eager": True, "enable_chunked_prefill": False}
    if adapters:
        values |= {"enable_lora": True, "max_loras": len(adapters), "max_lora_rank": adapters.rank}
    values |= engine.args
    try:
        return AsyncEngineArgs(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"engine.args: {str(error).splitlines()[0]}") from error


def check_args(args: Mapping[str, Any], known: set[str]) -> None:
    """Refuse `engine.args` that vLLM does not have, or that a setting of ours decides. Raises `ConfigError`."""
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
def _environment(engine: EngineConfig, log: Path | None) -> Iterator[None]:
    """The variables that vLLM reads at start; the user's own win, and all are put back afterwards."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="harness-vllm-") as folder:
        defaults = {
            "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a forked child would hold our locks and our sockets
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_LEVEL": "INFO" if log else "ERROR",
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
            "GLOO_LOG_LEVEL": "ERROR",
            "TORCH_CPP_LOG_LEVEL": "ERROR",
            "TORCH_LOGS": "-all",
            "PYTHONWARNINGS": "ignore",
        }
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
    """Size of the CPU's KV cache where the user names none: a quarter of the memory, 1 to 4 GiB."""
    return min(4, max(1, total_bytes // 4 // _GIB))


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processes(llm: "AsyncLLM") -> list[Any]:
    """The `multiprocessing` children that vLLM started for this engine."""
    manager = getattr(llm.engine_core.resources, "engine_manager", None)
    return list(getattr(manager, "processes", ()))


def _end_ids(llm: "AsyncLLM") -> frozenset[int]:
    """The ids that end a turn: the tokenizer's and those of the model's generation config."""
    ids: set[int] = set()
    for found in (
        llm.renderer.get_tokenizer().eos_token_id,
        llm.input_processor.generation_config_fields.get("eos_token_id"),
    ):
        if isinstance(found, int):
            ids.add(found)
        elif found:
            ids.update(found)
    return frozenset(ids)


def _details(llm: "AsyncLLM", seeded: bool) -> tuple[tuple[str, str], ...]:
    import torch
    import vllm
    from vllm import envs

    config = llm.vllm_config
    return (
        ("vllm", vllm.__version__),
        ("torch", torch.__version__),
        ("device", config.device_config.device_type),
        ("dtype", str(config.model_config.dtype).removeprefix("torch.")),
        ("seeded", str(seeded).lower()),
        ("chunked_prefill", str(config.scheduler_config.enable_chunked_prefill).lower()),
        ("batch_invariant", str(bool(envs.VLLM_BATCH_INVARIANT)).lower()),
    )


def _constraint(schema: Mapping[str, Any] | None) -> "StructuredOutputsParams | None":
    if schema is None:
        return None
    from vllm.sampling_params import StructuredOutputsParams

    return StructuredOutputsParams(json=dict(schema))


def _refusal(error: Exception, request: Request) -> RequestRejected:
    """vLLM validates more than lengths; the parameter that it names tells a long prompt from a bad request."""
    if getattr(error, "parameter", None) in ("input_tokens", "max_tokens", "max_completion_tokens"):
        counted = getattr(error, "value", None)
        return PromptRefused(
            f"vLLM calls the prompt of {request.request_id} too long",
            counted=counted if isinstance(counted, int) else None,
        )
    return RequestRejected(f"vLLM rejected {request.request_id}: {error}")
