"""The rows of one transformers batch: how each row draws its tokens, and when it is done.

`generate` has one set of sampling settings for a whole batch. So it decodes greedily here, and `draw` leaves it only the
token that the row's own settings, seed and grammar gave.

Invariants:
- The tokens of a row depend on its own logits, settings and seed only.
- A row sees its own tokens only: padding never counts as text.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
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
from harness.types import Request, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Rows:
    """State of one batch. `draw` is its logits processor, `ended` its stopping criterion."""

    def __init__(
        self,
        requests: Sequence[Request],
        cancelled: Callable[[int], bool],
        tokenizer: "PreTrainedTokenizerBase",
        grammars: Grammars,
        end_ids: frozenset[int],
        stop: threading.Event,
        device: torch.device,
    ) -> None:
        """`cancelled(row)` returns whether the caller of that row was cancelled; `stop` ends all rows."""
        self._requests, self._cancelled, self._stop = requests, cancelled, stop
        self._tokenizer, self._end_ids = tokenizer, end_ids
        self._padded = max(len(request.prompt.ids or ()) for request in requests)
        self._done = [False] * len(requests)
        self.sampled = [0] * len(requests)
        """Number of tokens that each row has drawn; the rest of a row that is done is padding."""
        self.logprobs: list[list[float]] = [[] for _ in requests]
        """Log-probability of each drawn token, by the model's own distribution; only of rows that ask for them."""
        self._generators = [torch.Generator(device).manual_seed(request.seed % 2**63) for request in requests]
        self._matchers = [
            grammars.matcher(request.json_schema) if request.json_schema is not None else None for request in requests
        ]

    def draw(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores that make each row's drawn token the only possible one.

        Shapes: `ids` is `[rows, tokens]`, `scores` and the result are `[rows, vocabulary]`.
        """
        scores = scores.float()
        own = scores.log_softmax(dim=-1) if any(request.logprobs for request in self._requests) else None
        alike: dict[Sampling, list[int]] = defaultdict(list)
        for row, request in enumerate(self._requests):
            if self._done[row]:
                continue
            penalty = request.sampling.penalty
            if penalty != 1.0:
                said = ids[row : row + 1, self._padded - len(request.prompt.ids or ()) :]
                scores[row] = RepetitionPenaltyLogitsProcessor(penalty)(said, scores[row : row + 1])[0]
            matcher = self._matchers[row]
            if matcher is not None:
                scores[row].masked_fill_(~matcher.allowed(scores.shape[1]).to(scores.device), float("-inf"))
            alike[request.sampling].append(row)
        chosen = torch.zeros(len(self._requests), dtype=torch.long, device=scores.device)
        for sampling, rows in alike.items():
            self._choose(sampling, rows, ids, scores, chosen)
        if own is not None:
            for row, request in enumerate(self._requests):
                if request.logprobs and not self._done[row]:
                    self.logprobs[row].append(float(own[row, chosen[row]]))
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
        """Whether each row is done, as booleans `[rows]`."""
        sampled = ids[:, self._padded :].tolist()
        for row, request in enumerate(self._requests):
            if self._done[row]:
                continue
            own = sampled[row]
            self.sampled[row] = len(own)
            self._done[row] = (
                len(own) >= request.prompt.max_new_tokens
                or own[-1] in self._end_ids
                or own[-1] in request.prompt.stop_ids
                or self._cancelled(row)
                or self._stop.is_set()
                or self._said_stop((*request.sampling.stop, *request.prompt.stop_texts), own)
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
    if sampling.temperature not in (None, 1.0):
        steps.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k is not None:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p is not None and sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        steps.append(MinPLogitsWarper(sampling.min_p))
    return steps
