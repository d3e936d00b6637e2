"""Text to token ids, word by word where a tokenizer allows it.

A tokenizer of the GPT-2 family first splits text into words by a regular expression and then encodes each word alone.
So the ids of a word can be cached, and most words of a dialogue have occurred before: this is ten times as fast as the
tokenizer, which otherwise takes most of the time of a turn.

Invariants:
- The ids are those of `tokenizer(text, add_special_tokens=False)`. Text that the fast way does not handle (letters
  beyond ASCII, an unusual token or splitting rule) is left to the tokenizer.
- Nothing depends on a model's name: the splitting rule is the tokenizer's own, and is tested against it at the start.
"""

import json
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

Encode = Callable[[str], "array[int]"]

REMEMBERED = 1 << 15
"""Words whose ids are cached (all sessions of a renderer together); about 5 MB."""
_KNOWN = re.compile("[\n\r\t -~\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u2026]*")
"""Characters that every splitting rule classifies alike, as letters, digits, spaces or none of these."""
_CLASSES = {"L": "a-zA-Z", "Lu": "A-Z", "Ll": "a-z", "N": "0-9", "Nd": "0-9"} | dict.fromkeys(
    ("Lt", "Lm", "Lo", "M", "Mn"), ""
)
"""Unicode classes, restricted to the characters of `_KNOWN`."""
_ESCAPED = re.compile(r"\\p\{(\w+)\}|\\.|\[|\]", re.DOTALL)
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The rule that is built into the `ByteLevel` pre-tokenizer."""
_OTHERWISE = ("&&", "}+", "\\P", "\\h", "\\R", "\\X")
"""Syntax that Python's `re` reads differently from the tokenizers' Oniguruma, or not at all."""


class Unsupported(Exception):
    """The tokenizer's way of splitting text into words can't be reproduced."""


def encoder(tokenizer: Any, samples: Sequence[str], typecode: str = "I") -> Encode:
    """The fastest encoder that gives the ids of a transformers tokenizer; tested with every pair of `samples`.

    `typecode` is that of the arrays: `I` holds the ids of any vocabulary.
    """
    whole = whole_encoder(tokenizer, typecode)
    try:
        fast = WordEncoder(tokenizer, whole, typecode)
    except Unsupported:
        return whole
    same = all(fast(text) == whole(text) for text in map("".join, product(samples, repeat=2)))
    return fast if same else whole


def whole_encoder(tokenizer: Any, typecode: str = "I") -> Encode:
    """An encoder that calls the tokenizer itself: the reference."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return lambda text: array(typecode, tokenizer(text, add_special_tokens=False)["input_ids"])
    backend.no_truncation()
    backend.no_padding()
    encode = backend.encode_batch_fast
    return lambda text: array(typecode, encode([text], add_special_tokens=False)[0].ids)


class WordEncoder:
    """Encodes by looking up words."""

    def __init__(self, tokenizer: Any, whole: Encode, typecode: str = "I") -> None:
        """Raises `Unsupported` if the tokenizer's way of splitting text can't be reproduced."""
        self._whole = whole
        self._typecode = typecode
        self._rules = splitting_rules(getattr(tokenizer, "backend_tokenizer", None))
        added = tokenizer.added_tokens_decoder
        self._added = {
            token.content: None
            if token.lstrip or token.rstrip or token.single_word
            else array(typecode, [number]).tobytes()
            for number, token in added.items()
        }
        """Tokens that are found before text is split into words; None for one that also affects its neighbours."""
        longest_first = sorted(self._added, key=lambda text: (-len(text), text))
        self._at_added = re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")
        self._ids: dict[str, bytes] = {}
        """Ids as the bytes of an array: joining bytes is the fastest way to concatenate ids."""

    def __call__(self, text: str) -> "array[int]":
        if not _KNOWN.fullmatch(text):
            return self._whole(text)
        ids: list[bytes] = []
        for place, part in enumerate(self._at_added.split(text)):
            if place % 2 == 0:
                words = self._words(part)
                if sum(map(len, words)) != len(part):  # the rules skipped text: this tokenizer splits differently
                    return self._whole(text)
                ids.append(self._joined(words))
            elif (number := self._added[part]) is not None:
                ids.append(number)
            else:
                return self._whole(text)
        return array(self._typecode, b"".join(ids))

    def _joined(self, words: Sequence[str]) -> bytes:
        try:
            return b"".join(map(self._ids.__getitem__, words))
        except KeyError:
            return b"".join([self._ids.get(word) or self._learn(word) for word in words])

    def _words(self, text: str) -> list[str]:
        first, *others = self._rules
        words = first(text)
        for rule in others:
            words = [word for part in words for word in rule(part)]
        return words

    def _learn(self, word: str) -> bytes:
        if len(self._ids) >= REMEMBERED:
            self._ids.clear()
        self._ids[word] = ids = self._whole(word).tobytes()
        return ids


def splitting_rules(backend: Any) -> list[Callable[[str], list[str]]]:
    """How a `tokenizers.Tokenizer` splits text of `_KNOWN` characters into words: each rule splits the parts of the one
    before it. Raises `Unsupported`.
    """
    if backend is None or backend.pre_tokenizer is None or getattr(backend.model, "dropout", None):
        raise Unsupported
    if backend.normalizer is not None and _state(backend.normalizer)["type"] != "NFC":
        raise Unsupported
    found = _state(backend.pre_tokenizer)
    steps = found["pretokenizers"] if found["type"] == "Sequence" else [found]
    if any(step["type"] == "ByteLevel" for step in steps[:-1]):  # later rules would see its stand-ins for bytes
        raise Unsupported
    rules: list[Callable[[str], list[str]]] = [
        re.compile(pattern).findall for step in steps for pattern in _patterns(step)
    ]
    if not rules:
        raise Unsupported
    return rules


def _state(part: Any) -> dict[str, Any]:
    """A component of a tokenizer as tokenizer.json describes it."""
    state: dict[str, Any] = json.loads(part.__getstate__())
    return state


def _patterns(step: Mapping[str, Any]) -> list[str]:
    """The patterns that match the words of one pre-tokenizer; empty if it splits nothing."""
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use}:
            return [_python(_GPT2)] if use else []
        case {"type": "Digits", "individual_digits": alone}:
            return ["[0-9]|[^0-9]+" if alone else "[0-9]+|[^0-9]+"]
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            return [_python(str(pattern))]
        case _:
            raise Unsupported


def _python(pattern: str) -> str:
    """An equivalent pattern for Python's `re`, for text of `_KNOWN` characters. Raises `Unsupported`."""
    inside = False

    def translated(match: re.Match[str]) -> str:
        nonlocal inside
        if match[0] in ("[", "]"):
            if inside == (match[0] == "["):
                raise Unsupported
            inside = not inside
        elif name := match[1]:
            if name not in _CLASSES:
                raise Unsupported
            return _CLASSES[name] if inside else f"[{_CLASSES[name]}]"
        return match[0]

    found = _ESCAPED.sub(translated, pattern)
    if any(text in found for text in _OTHERWISE):
        raise Unsupported
    try:
        compiled = re.compile(found)
    except re.error:
        raise Unsupported from None
    if compiled.groups or compiled.match(""):
        raise Unsupported
    return found
