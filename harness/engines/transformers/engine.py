"""Hugging Face transformers in this process: one worker thread generates all waiting requests as one batch.

For machines without vLLM. Invariants:
- Only the worker thread uses the model.
- Every request draws from a generator of its own, made from its seed, so a batch of one repeats exactly.
- A batch ends when its last row does; a row that is done (or cancelled) is padded until then.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.reasoning import split
from harness.engines.window import checked_ids, context_window
from harness.errors import EngineError, EngineUnavailable, HarnessError, RequestRejected, first_line
from harness.models.tokenizer import load_tokenizer
from harness.types import FinishReason, Generation, Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.engines.transformers.rows import Rows


@dataclass(frozen=True, slots=True)
class Job:
    """A request in the worker's queue."""

    request: Request
    answer: asyncio.Future[Generation]
    loop: asyncio.AbstractEventLoop
    queued: float
    """Value of `time.perf_counter` when the request was queued."""

    def resolve(self, result: Generation | BaseException) -> None:
        """Deliver the result from the worker thread, unless the caller was cancelled."""
        self.loop.call_soon_threadsafe(self._resolve, result)

    def _resolve(self, result: Generation | BaseException) -> None:
        if self.answer.done():
            return
        if isinstance(result, BaseException):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class TransformersEngine:
    """One model in this process; at most `engine.max_batch` requests are generated together."""

    def __init__(self, engine: EngineConfig, model: ModelConfig) -> None:
        self._engine, self._model = engine, model
        self._window = context_window(engine, model)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None
        self._stop = threading.Event()

    async def start(self) -> EngineInfo:
        """Load weights and tokenizer. Raises `EngineError` with the reason."""
        loaded = await asyncio.to_thread(_load, self._model)
        self._stop.clear()
        self._worker = threading.Thread(target=self._work, args=(loaded,), name="transformers", daemon=True)
        self._worker.start()
        return EngineInfo("transformers", self._model.path, self._window, details=loaded.details)

    async def generate(self, request: Request) -> Generation:
        """Answer one prompt; a cancelled call ends its row of the batch."""
        if self._worker is None:
            raise EngineUnavailable("the transformers engine is not running")
        if request.adapter is not None:
            raise RequestRejected("the transformers engine serves no LoRA adapters; use engine=vllm")
        checked_ids(request.prompt, self._window)
        loop = asyncio.get_running_loop()
        job = Job(request, loop.create_future(), loop, time.perf_counter())
        self._queue.put(job)
        return await job.answer

    async def close(self) -> None:
        """Stop after the current step and free the model."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        self._stop.set()
        self._queue.put(None)
        await asyncio.to_thread(worker.join)

    def _work(self, loaded: "_Loaded") -> None:
        while (jobs := self._waiting()) is not None:
            jobs = loaded.acceptable([job for job in jobs if not job.answer.done()])
            if not jobs:
                continue
            try:
                answers = loaded.answer(jobs, self._stop)
            except Exception as error:
                for job in jobs:
                    job.resolve(_failure(error))
            else:
                # Closing cuts a batch short, and a cut answer is not a turn.
                closed = _closed() if self._stop.is_set() else None
                for job, answer in zip(jobs, answers, strict=True):
                    job.resolve(closed or answer)

    def _waiting(self) -> list[Job] | None:
        """The next batch: waits for one request, and takes all others that are queued. None if the engine was closed."""
        first = self._queue.get()
        jobs = [] if first is None else [first]
        while not self._stop.is_set() and len(jobs) < self._engine.max_batch:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                jobs.append(job)
        if not self._stop.is_set():
            return jobs
        while not self._queue.empty():
            jobs += [job] if (job := self._queue.get()) is not None else []
        for job in jobs:
            job.resolve(_closed())
        return None


def _failure(error: Exception) -> EngineError:
    failure = EngineError(f"transformers failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _closed() -> EngineUnavailable:
    return EngineUnavailable("the transformers engine was closed")


class _Loaded:
    """Model and tokenizer, as the worker thread uses them."""

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        from harness.engines.transformers.grammar import Grammars

        self._model, self._tokenizer = model, tokenizer
        self._end_ids = _end_ids(model, tokenizer)
        self._pad_id = next((token for token in (tokenizer.pad_token_id, *self._end_ids) if token is not None), 0)
        self._grammars = Grammars(tokenizer, self._end_ids)

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        import torch
        import transformers

        return (
            ("transformers", transformers.__version__),
            ("torch", torch.__version__),
            ("device", str(self._model.device)),
            ("dtype", str(self._model.dtype).removeprefix("torch.")),
        )

    def acceptable(self, jobs: list[Job]) -> list[Job]:
        """The jobs whose JSON schema can be compiled; fails the others, so that one can't fail a whole batch."""
        accepted = []
        for job in jobs:
            try:
                if job.request.json_schema is not None:
                    self._grammars.matcher(job.request.json_schema)
                accepted.append(job)
            except RequestRejected as error:
                job.resolve(error)
            except Exception as error:  # a tokenizer that llguidance can't take; the worker must not end silently
                job.resolve(_failure(error))
        return accepted

    def answer(self, jobs: list[Job], stop: threading.Event) -> list[Generation]:
        """Generate one batch; returns one answer per job, in their order."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        rows = self._rows(jobs, stop)
        length = max(len(job.request.prompt.ids or ()) for job in jobs)
        ids = torch.full((len(jobs), length), self._pad_id)
        mask = torch.zeros_like(ids)
        for row, job in enumerate(jobs):
            prompt = torch.tensor(list(job.request.prompt.ids or ()))
            ids[row, length - len(prompt) :] = prompt
            mask[row, length - len(prompt) :] = 1
        config = GenerationConfig(
            do_sample=False,  # `rows` draws each token itself and leaves it as the only choice
            max_new_tokens=max(job.request.prompt.max_new_tokens for job in jobs),
            pad_token_id=self._pad_id,
            eos_token_id=list(self._end_ids) or None,
        )
        with torch.inference_mode():
            out = self._model.generate(
                ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                generation_config=config,
                logits_processor=LogitsProcessorList([rows.draw]),
                stopping_criteria=StoppingCriteriaList([rows.ended]),
            )
        now = time.perf_counter()
        return [
            self._generation(
                job, out[row, length : length + rows.sampled[row]].tolist(), now - job.queued, rows.logprobs[row]
            )
            for row, job in enumerate(jobs)
        ]

    def _rows(self, jobs: list[Job], stop: threading.Event) -> "Rows":
        from harness.engines.transformers.rows import Rows

        requests = [job.request for job in jobs]
        return Rows(
            requests,
            lambda row: jobs[row].answer.done(),
            self._tokenizer,
            self._grammars,
            self._end_ids,
            stop,
            self._model.device,
        )

    def _generation(self, job: Job, sampled: list[int], latency_s: float, logprobs: Sequence[float] = ()) -> Generation:
        request = job.request
        ended = bool(sampled) and sampled[-1] in self._end_ids.union(request.prompt.stop_ids)
        ids = sampled[:-1] if ended else sampled
        form, ends = request.prompt.answer, (*request.sampling.stop, *request.prompt.stop_texts)
        skip = not form.special
        decoded = str(self._tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False))
        stops = [place for word in ends if (place := decoded.find(word)) >= 0]
        whole = decoded[: min(stops)] if stops else decoded
        reasoning, text = split(whole, form, constrained=request.json_schema is not None)
        return Generation(
            text=text,
            token_ids=tuple(ids),
            finish_reason=FinishReason.STOP if ended or stops else FinishReason.LENGTH,
            prompt_tokens=request.prompt.tokens,
            completion_tokens=len(sampled),
            latency_s=latency_s,
            reasoning=reasoning,
            end_id=sampled[-1] if ended else None,
            logprobs=tuple(logprobs),
        )


def _end_ids(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """The ids that end a turn and that the model can sample."""
    ids: set[int] = set()
    for found in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        if isinstance(found, int):
            ids.add(found)
        elif found:
            ids.update(found)
    size = model.get_input_embeddings().num_embeddings
    return frozenset(token for token in ids if token < size)


def _load(model: ModelConfig) -> _Loaded:
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils import logging

    dtype = model.dtype if model.dtype == "auto" else getattr(torch, model.dtype)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    logging.disable_progress_bar()
    try:
        tokenizer = load_tokenizer(model.path, revision=model.revision, trust_remote_code=model.trust_remote_code)
        network = AutoModelForCausalLM.from_pretrained(
            model.path, dtype=dtype, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    except HarnessError:
        raise
    except Exception as error:  # a model's config may contain anything, and raise anything
        reason = first_line(error)
        raise EngineError(f"transformers can't load {model.path}: {reason}") from error
    loaded = _Loaded(network.to(device).eval(), tokenizer)
    network.generation_config = GenerationConfig()  # sampling comes from the request, never from the model's folder
    return loaded


@engine("transformers")
def _make(setup: EngineSetup) -> TransformersEngine:
    return TransformersEngine(setup.engine, setup.model)
