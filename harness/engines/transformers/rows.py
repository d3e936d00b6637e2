"""The rows of one transformers batch: how each draws its tokens, and when each is done.

`generate` knows one set of sampling settings for a whole batch, so it decodes greedily here, and `draw` leaves it
no choice but the token that the row's own settings, seed and grammar gave.

Invariants:
- A row's draws depend on its own logits, settings and seed only.
- A row sees its own tokens only: padding never counts as text.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from harness.engines.transformers.grammar import Grammars
from harness.types import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.engines.transformers.engine import Job


class Rows:
    """State of one batch. `draw` is its logits processor, `ended` its stopping criterion."""

    def __init__(
        self,
        jobs: Sequence["Job"],
        tokenizer: "PreTrainedTokenizerBase",
        grammars: Grammars,
        end_ids: frozenset[int],
        stop: threading.Event,
        device: torch.device,
    ) -> None:
        self._jobs, self._tokenizer, self._end_ids, self._stop = jobs, tokenizer, end_ids, stop
        self._padded = max(len(job.request.prompt.ids or ()) for job in jobs)
        self._done = [False] * len(jobs)
        self.sampled = [0] * len(jobs)
        """How many tokens each row has drawn; what follows in a row that is done is padding."""
        self._generators = [torch.Generator(device).manual_seed(job.request.seed % 2**63) for job in jobs]
        self._matchers = [
            grammars.matcher(job.request.json_schema) if job.request.json_schema is not None else None for job in jobs
        ]

    def draw(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores in which each row's drawn token is the only possible one.

        Shapes: `ids` is `[rows, tokens]`, `scores` and the result are `[rows, vocabulary]`.
        """
        scores = scores.float()
        alike: dict[Sampling, list[int]] = defaultdict(list)
        for row, job in enumerate(self._jobs):
            if self._done[row]:
                continue
            penalty = job.request.sampling.penalty
            if penalty != 1.0:
                own = ids[row : row + 1, self._padded - len(job.request.prompt.ids or ()) :]
                scores[row] = RepetitionPenaltyLogitsProcessor(penalty)(own, scores[row : row + 1])[0]
            matcher = self._matchers[row]
            if matcher is not None:
                scores[row].masked_fill_(~matcher.allowed(scores.shape[1]).to(scores.device), float("-inf"))
            alike[job.request.sampling].append(row)
        chosen = torch.zeros(len(self._jobs), dtype=torch.long, device=scores.device)
        for sampling, rows in alike.items():
            self._choose(sampling, rows, ids, scores, chosen)
        forced = torch.full_like(scores, float("-inf"))
        return forced.scatter_(1, chosen.unsqueeze(1), 0.0)

    def _choose(
        self, sampling: Sampling, rows: list[int], ids: torch.Tensor, scores: torch.Tensor, chosen: torch.Tensor
    ) -> None:
        if sampling.temperature == 0.0:
            chosen[rows] = scores[rows].argmax(dim=-1)
        else:
            probabilities = _warpers(sampling)(ids[rows], scores[rows]).softmax(dim=-1)
            for place, row in enumerate(rows):
                chosen[row] = torch.multinomial(probabilities[place], 1, generator=self._generators[row])[0]
        for row in rows:
            matcher = self._matchers[row]
            if matcher is not None:
                matcher.take(int(chosen[row]))

    def ended(self, ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """Which rows are done, as booleans `[rows]`."""
        sampled = ids[:, self._padded :].tolist()
        for row, job in enumerate(self._jobs):
            if self._done[row]:
                continue
            own = sampled[row]
            self.sampled[row] = len(own)
            self._done[row] = (
                len(own) >= job.request.prompt.max_new_tokens
                or own[-1] in self._end_ids
                or own[-1] in job.request.prompt.stop_ids
                or job.answer.done()
                or self._stop.is_set()
                or self._said_stop(job.request.sampling.stop, own)
            )
        return torch.tensor(self._done, device=ids.device)

    def _said_stop(self, words: tuple[str, ...], sampled: list[int]) -> bool:
        if not words:
            return False
        tail = sampled[-(max(map(len, words)) + 4) :]
        text = str(self._tokenizer.decode(tail, skip_special_tokens=True))
        return any(word in text for word in words)


def _warpers(sampling: Sampling) -> LogitsProcessorList:
    steps = LogitsProcessorList()
    if sampling.temperature != 1.0:
        steps.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k is not None:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        steps.append(MinPLogitsWarper(sampling.min_p))
    return steps
