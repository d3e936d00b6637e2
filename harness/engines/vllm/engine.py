"""vLLM in this process: AsyncLLM with continuous batching over all sessions; the model runs in a child process.

Invariants:
- Nothing that this module sends can crash the engine: no prompt that does not fit, no per-request seed if vLLM can't
  honour it, no invalid token id.
- If the child process ends for any reason, every request in flight fails.
"""

import asyncio
import gc
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.reasoning import split
from harness.engines.supervisor import Supervisor
from harness.engines.vllm.adapters import Adapter, Adapters
from harness.engines.vllm.batching import Limits, limits
from harness.engines.vllm.launch import CLOSE_S, Launch, engine_args, environment
from harness.engines.vllm.versions import check, client_errors, installed
from harness.engines.window import checked_ids, context_window
from harness.errors import EngineError, EngineUnavailable, PromptRefused, RequestRejected, first_line
from harness.types import FinishReason, Generation, Request

if TYPE_CHECKING:
    from vllm import CompletionOutput, RequestOutput, SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.v1.engine.async_llm import AsyncLLM


class VllmEngine:
    """One vLLM engine. `adapters` are the LoRA folders that requests may name; `log` is the file for vLLM's messages."""

    def __init__(
        self,
        engine: EngineConfig,
        model: ModelConfig,
        *,
        sessions: int | None = None,
        adapters: tuple[Path, ...] = (),
        log: Path | None = None,
    ) -> None:
        self._engine, self._model, self._log, self._sessions = engine, model, log, sessions
        self._limits: Limits | None = None
        check(installed())
        self._window = context_window(engine, model)
        self._adapters = Adapters.load(adapters)
        self._llm: AsyncLLM | None = None
        self._launch: Launch | None = None
        self._seeded = True
        self._end_ids: frozenset[int] = frozenset()
        self._ranks = 1
        """Number of data-parallel ranks, each with a cache of its own."""

    async def start(self) -> EngineInfo:
        """Load the model in a child process. Raises `ConfigError` (bad engine.args) or `EngineError`."""
        self._launch = Launch(self._build)
        try:
            await self._launch.done()
            return await self._started()
        except BaseException:
            await self._launch.give_up()
            await self.close()
            raise

    def _build(self, launch: Launch) -> None:
        """Make the AsyncLLM; blocks while the model loads."""
        with environment(self._engine, self._log):
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM

            args = engine_args(self._engine, self._model, self._window, self._adapters)
            self._limits = limits(args, self._engine.args, self._window, self._sessions)
            if self._limits is not None:
                for key in ("max_num_seqs", "max_num_batched_tokens"):
                    if key not in self._engine.args:
                        setattr(args, key, getattr(self._limits, key))
            launch.check()
            try:
                self._llm = AsyncLLM.from_engine_args(args, usage_context=UsageContext.LLM_CLASS)
            except Exception as error:
                reason = first_line(error)
                where = f"; its log is {self._log}" if self._log else ""
                raise EngineError(f"vLLM can't start {self._model.path}: {reason}{where}") from error

    async def _started(self) -> EngineInfo:
        llm = self.llm
        for process in _processes(llm):
            asyncio.get_running_loop().add_reader(process.sentinel, partial(self._child_ended, process.sentinel))
        config = llm.vllm_config
        on_cpu = config.device_config.device_type == "cpu"
        chunked = config.scheduler_config.enable_chunked_prefill
        # After a partial prefill, vLLM rewinds a seeded request's generator. A CPU generator can't do that, and the
        # error ends the engine. Without partial prefills a seed is safe.
        self._seeded = not (on_cpu and chunked)
        self._window = config.model_config.max_model_len
        self._end_ids = _end_ids(llm)
        self._ranks = max(1, config.parallel_config.data_parallel_size)
        for adapter in self._adapters:
            adapter.check(await self._first_logprobs(None), await self._first_logprobs(adapter))
        cache = config.cache_config
        tokens = cache.kv_cache_size_tokens or (cache.num_gpu_blocks or 0) * cache.block_size
        return EngineInfo(
            kind="vllm",
            model=self._model.path,
            max_model_len=self._window,
            kv_cache_tokens=tokens or None,
            cache_block_tokens=cache.block_size if cache.enable_prefix_caching else None,
            cache_ranks=self._ranks,
            details=(
                *_details(llm, self._seeded),
                *self._batching(),
                *(("adapter", adapter.name) for adapter in self._adapters),
            ),
        )

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt; a cancelled call aborts its request in the engine."""
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        llm = self.llm
        ids = checked_ids(request.prompt, self._window)
        lora = self._adapters.request(request.adapter)
        began = time.perf_counter()
        last: RequestOutput | None = None
        try:
            async for output in llm.generate(
                {"prompt_token_ids": list(ids)},
                self._params(request),
                request.request_id,
                **self._placed(request, lora),
            ):
                last = output
        except EngineDeadError as error:
            raise EngineUnavailable("the vLLM engine process died") from error
        except client_errors() as error:
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
        from vllm.v1.engine.exceptions import EngineDeadError

        processes = _processes(llm)
        for process in processes:
            asyncio.get_running_loop().remove_reader(process.sentinel)
        # vLLM's reader would log the end of the child as a crash, so the reader ends first; after that, only we can
        # fail the requests in flight.
        if llm.output_handler is not None:
            llm.output_handler.cancel()
            await asyncio.wait([llm.output_handler])
        llm.output_processor.propagate_error(EngineDeadError())
        try:
            await asyncio.to_thread(llm.shutdown, CLOSE_S)
        finally:
            await self._ended(processes)
        del llm
        gc.collect()  # AsyncLLM has many reference cycles, and its __del__ fails during interpreter shutdown

    async def _ended(self, processes: Sequence[Any]) -> None:
        """Kill the children that a shutdown has left, and wait for them and for the watchdogs."""
        for process in processes:
            if process.is_alive():
                process.kill()
            await asyncio.to_thread(process.join, CLOSE_S)
        if self._launch is not None:
            await self._launch.end()

    @property
    def llm(self) -> "AsyncLLM":
        """The running vLLM engine, for benchmarks and diagnosis. Raises `EngineUnavailable` if it is not running."""
        if self._llm is None:
            raise EngineUnavailable("the vLLM engine is not running")
        return self._llm

    def pids(self) -> tuple[int, ...]:
        """Process ids of the engine's children; empty when it is not running."""
        return tuple(self._pids()) if self._llm is not None else ()

    def _child_ended(self, sentinel: int) -> None:
        """Fail all requests in flight. vLLM itself does so after a crash only, not after a SIGTERM to the child."""
        from vllm.v1.engine.exceptions import EngineDeadError

        asyncio.get_running_loop().remove_reader(sentinel)
        if self._llm is not None:
            self._llm.engine_core.resources.engine_dead = True
            self._llm.output_processor.propagate_error(EngineDeadError())

    def _pids(self) -> list[int]:
        return [process.pid for process in _processes(self.llm) if process.pid is not None]

    def _placed(self, request: Request, lora: "LoRARequest | None") -> dict[str, Any]:
        """The data-parallel rank of a request: a session stays on one rank, where its prefix is cached."""
        placed: dict[str, Any] = {"lora_request": lora}
        if self._ranks > 1:
            session = request.request_id.rpartition("/")[0] or request.request_id
            placed["data_parallel_rank"] = crc32(session.encode()) % self._ranks
        return placed

    def _batching(self) -> tuple[tuple[str, str], ...]:
        scheduler = self.llm.vllm_config.scheduler_config
        chosen = () if self._limits is None else (("batch_limits", str(self._limits)),)
        return (
            ("max_num_seqs", str(scheduler.max_num_seqs)),
            ("max_num_batched_tokens", str(scheduler.max_num_batched_tokens)),
            *chosen,
        )

    def _params(self, request: Request) -> "SamplingParams":
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        drawn = request.sampling
        return SamplingParams(
            temperature=1.0 if drawn.temperature is None else drawn.temperature,
            top_p=1.0 if drawn.top_p is None else drawn.top_p,
            top_k=drawn.top_k or 0,
            min_p=drawn.min_p or 0.0,
            repetition_penalty=drawn.penalty,
            stop=[*drawn.stop, *request.prompt.stop_texts],
            stop_token_ids=[token for token in request.prompt.stop_ids if token not in self._end_ids],
            seed=request.seed % 2**63 if self._seeded else None,
            max_tokens=request.prompt.max_new_tokens,
            skip_special_tokens=not request.prompt.answer.special,
            logprobs=0 if request.logprobs else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=_constraint(request.json_schema),
        )

    def _generation(self, output: "RequestOutput", request: Request, latency_s: float) -> Generation:
        done = output.outputs[0]
        if done.finish_reason not in ("stop", "length"):
            raise EngineError(f"vLLM ended {request.request_id} with {done.finish_reason!r} and not with an answer")
        ids = tuple(done.token_ids)
        sampled = len(ids)
        reasoning, text = split(done.text, request.prompt.answer, constrained=request.json_schema is not None)
        end_id = None
        if done.finish_reason == "stop" and ids and ids[-1] in self._end_ids.union(request.prompt.stop_ids):
            ids, end_id = ids[:-1], ids[-1]
        return Generation(
            text=text,
            token_ids=ids,
            finish_reason=FinishReason(done.finish_reason),
            prompt_tokens=len(output.prompt_token_ids or ()),
            completion_tokens=sampled,
            cached_tokens=output.num_cached_tokens or 0,
            latency_s=latency_s,
            reasoning=reasoning,
            end_id=end_id,
            logprobs=_logprobs(done),
        )

    async def _first_logprobs(self, adapter: Adapter | None) -> Mapping[int, float]:
        """Log-probabilities of the most likely first tokens after a fixed prompt."""
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


def _processes(llm: "AsyncLLM") -> list[Any]:
    """The `multiprocessing` children that vLLM started for this engine."""
    manager = getattr(llm.engine_core.resources, "engine_manager", None)
    return list(getattr(manager, "processes", ()))


def _logprobs(done: "CompletionOutput") -> tuple[float, ...]:
    """Log-probabilities of the sampled tokens; empty if they were not requested."""
    given = zip(done.token_ids, done.logprobs or (), strict=False)
    return tuple(among[token].logprob for token, among in given)


def _end_ids(llm: "AsyncLLM") -> frozenset[int]:
    """The ids that end a turn, by the tokenizer and by the model's generation config."""
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
    """The error for a request that vLLM refused. The parameter that vLLM names shows whether the prompt was too long."""
    if getattr(error, "parameter", None) in ("input_tokens", "max_tokens", "max_completion_tokens"):
        counted = getattr(error, "value", None)
        return PromptRefused(
            f"vLLM calls the prompt of {request.request_id} too long",
            counted=counted if isinstance(counted, int) else None,
        )
    return RequestRejected(f"vLLM rejected {request.request_id}: {error}")


@engine("vllm", uses={"args"}, adapters=True)
def _make(setup: EngineSetup) -> Supervisor:
    return Supervisor(
        VllmEngine(setup.engine, setup.model, sessions=setup.sessions, adapters=setup.adapters, log=setup.log),
        name=setup.model.path,
        max_restarts=setup.engine.max_restarts,
        listener=setup.listener,
    )
