"""An engine without a model: the real tokenizer, deterministic text, exact token counts. It checks that a sweep fits.

Invariants:
- The same seed and `max_new_tokens` give the same text on every machine.
- `token_ids` are the ids that the tokenizer gives for the text, never more than `max_new_tokens`.
- A turn is not tokenized: each sentence is tokenized once, and their ids are joined if a check at the start shows that
  this gives the ids of the joined text (otherwise the joined text is tokenized).
"""

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import chain, pairwise
from random import Random
from typing import TYPE_CHECKING

from harness.config.schema import EngineConfig, ModelConfig
from harness.engines.base import EngineInfo, EngineSetup, engine
from harness.engines.dry.phrases import sentences
from harness.engines.dry.schema_instance import instance
from harness.engines.window import checked_ids, context_window
from harness.errors import EngineUnavailable
from harness.models.tokenizer import light_tokenizer
from harness.types import FinishReason, Generation, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHORTEST, _LONGEST = 12, 120
"""Bounds of a turn's drawn length, in tokens."""


class DryEngine:
    """Answers with deterministic text of a drawn length, after `engine.latency_s`."""

    def __init__(self, engine: EngineConfig, model: ModelConfig) -> None:
        self._engine, self._model = engine, model
        self._window = context_window(engine, model)
        self._phrases: Phrases | None = None

    async def start(self) -> EngineInfo:
        """Load the tokenizer. Raises `ConfigError` if there is none."""
        model = self._model
        self._phrases = await asyncio.to_thread(
            lambda: Phrases(
                light_tokenizer(model.path, revision=model.revision, trust_remote_code=model.trust_remote_code)
            )
        )
        return EngineInfo(
            kind="dry",
            model=self._model.path,
            max_model_len=self._window,
            details=(("tokens_add_up", str(self._phrases.additive).lower()),),
        )

    async def generate(self, request: Request) -> Generation:
        """Answer with text that depends on the request's seed only."""
        if self._phrases is None:
            raise EngineUnavailable("the dry engine is not running")
        began = time.perf_counter()
        prompt, most = request.prompt, request.prompt.max_new_tokens
        checked_ids(prompt, self._window)
        if request.json_schema is not None:
            text, ids, finish = self._phrases.data(request.json_schema, request.seed, most)
        else:
            text, ids, finish = self._phrases.turn(request.seed, most)
        await asyncio.sleep(self._engine.latency_s)
        return Generation(
            text=text,
            token_ids=ids,
            finish_reason=finish,
            prompt_tokens=prompt.tokens,
            completion_tokens=len(ids),
            latency_s=time.perf_counter() - began,
        )

    async def close(self) -> None:
        """Release the tokenizer."""
        self._phrases = None


Ids = tuple[int, ...]
Answer = tuple[str, Ids, FinishReason]


class Phrases:
    """Sentences with their token ids, at the start of a text and after a space."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        self._texts = sentences()
        self._first = self._encode(self._texts)
        self._next = self._encode([f" {text}" for text in self._texts])
        self.additive = self._adds_up()
        """Whether joined ids of sentences are the ids of their joined text, checked on a thousand pairs."""

    def turn(self, seed: int, most: int) -> Answer:
        """A text of a drawn length, at most `most` tokens; its finish reason is LENGTH if the drawn length is larger."""
        draw = Random(seed)
        wanted = draw.randint(_SHORTEST, _LONGEST)
        room = min(wanted, most)
        count = len(self._texts)
        chosen: list[int] = []
        used = 0
        while used < room:
            pick = int(draw.random() * count)
            cost = len(self._next[pick] if chosen else self._first[pick])
            if used + cost > room and chosen:
                break
            chosen.append(pick)
            used += cost
        if used > most or not self.additive:
            return self._cut(" ".join(self._texts[pick] for pick in chosen), most, self._joined(chosen))
        ids = self._joined(chosen) or ()
        finish = FinishReason.LENGTH if wanted > most else FinishReason.STOP
        return " ".join([self._texts[pick] for pick in chosen]), ids, finish

    def _joined(self, chosen: Sequence[int]) -> Ids | None:
        """Ids of joined sentences; None if they can't be joined."""
        if not self.additive:
            return None
        return tuple(chain(self._first[chosen[0]], *[self._next[pick] for pick in chosen[1:]]))

    def data(self, schema: object, seed: int, most: int) -> Answer:
        """A valid instance of `schema` as JSON; cut like a model's answer if it has more than `most` tokens."""
        value = instance(schema, Random(seed))  # type: ignore[arg-type]
        return self._cut(json.dumps(value, ensure_ascii=False), most)

    def _cut(self, text: str, most: int, ids: Ids | None = None) -> Answer:
        """The text, or its longest prefix of at most `most` tokens, with its ids."""
        ids = ids or self._encode([text])[0]
        if len(ids) <= most:
            return text, ids, FinishReason.STOP
        for kept in range(most, 0, -1):
            short = str(self._tokenizer.decode(ids[:kept], clean_up_tokenization_spaces=False))
            again = self._encode([short])[0]
            if short and len(again) <= most:
                return short, again, FinishReason.LENGTH
        return "", (), FinishReason.LENGTH

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        return [tuple(ids) for ids in self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    def _adds_up(self) -> bool:
        order = list(range(len(self._texts)))
        Random(0).shuffle(order)
        pairs = list(pairwise(order))[:1000]
        joined = self._encode([f"{self._texts[a]} {self._texts[b]}" for a, b in pairs])
        return all(ids == self._first[a] + self._next[b] for ids, (a, b) in zip(joined, pairs, strict=True))


@engine("dry", uses={"latency_s"})
def _make(setup: EngineSetup) -> DryEngine:
    return DryEngine(setup.engine, setup.model)
