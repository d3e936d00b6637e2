"""JSON schemas as token masks for the transformers engine, by llguidance (which vLLM's guidance backend uses too)."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy
import torch

from harness.errors import RequestRejected

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from transformers import PreTrainedTokenizerBase


class Matcher:
    """The state of one answer in its grammar."""

    def __init__(self, matcher: "LLMatcher") -> None:
        self._matcher = matcher

    def allowed(self, vocabulary: int) -> torch.Tensor:
        """Which tokens may come next, as booleans `[vocabulary]`."""
        bits = numpy.unpackbits(numpy.frombuffer(self._matcher.compute_bitmask(), numpy.uint8), bitorder="little")
        allowed = numpy.zeros(vocabulary, bool)
        allowed[: len(bits)] = bits[:vocabulary]
        return torch.from_numpy(allowed)

    def take(self, token: int) -> None:
        """Advance the state by `token`."""
        self._matcher.consume_token(token)


class Grammars:
    """Compiles schemas for one tokenizer, which is prepared on first use (takes a second)."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", end_ids: frozenset[int]) -> None:
        self._source, self._end_ids = tokenizer, end_ids

    def matcher(self, schema: Mapping[str, Any]) -> Matcher:
        """A new matcher. Raises `RequestRejected` for a schema that can't be compiled."""
        from llguidance import LLMatcher

        compact = {**schema, "x-guidance": {"whitespace_flexible": False}}
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(compact)))
        if matcher.is_error():
            raise RequestRejected(f"the JSON schema can't be compiled: {matcher.get_error()}")
        return Matcher(matcher)

    @cached_property
    def _tokenizer(self) -> "LLTokenizer":
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self._source, eos_token=sorted(self._end_ids))
