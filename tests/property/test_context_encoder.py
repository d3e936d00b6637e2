"""Ids looked up word by word are those of the tokenizer, for every text and every way to cut it into words."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import AddedToken, PreTrainedTokenizerFast

from harness.context.render import proof
from harness.context.render.encoder import WordEncoder, encoder, whole_encoder
from harness.context.render.incremental import ADDED
from harness.engines.dry.phrases import sentences
from tests.fixtures.tokenizers import byte_level, sentence_piece

GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""Of Llama 3 and, but for its digits, of Qwen."""
CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+"
)
NO_DIGITS = r"\p{L}+| "
"""Takes only a part of a text."""


def trained(*steps: Any, texts: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """A tokenizer with this way to cut text, and tokens that may stand in it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(steps))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts or sentences(), trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet))
    tokenizer.add_special_tokens([AddedToken("<end>"), AddedToken("<end>>"), AddedToken("<mask>", lstrip=True)])
    tokenizer.add_tokens([AddedToken("going", single_word=True)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
TOKENIZERS = {
    "gpt-2": byte_level(),
    "gpt-4": trained(split(GPT_4), BYTES),
    "cased": trained(split(CASED), BYTES),
    "digits": trained(pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "with gaps": trained(split(NO_DIGITS), BYTES),
}
ENCODERS = {name: (encoder(tokenizer, proof.TEXTS), whole_encoder(tokenizer)) for name, tokenizer in TOKENIZERS.items()}
TEXT = st.lists(
    st.one_of(
        st.text(alphabet="aAsStTdDéß 0129\n\r\t\x1f\x85.,'’“…—-_<>[]()|日\u0301", max_size=6),
        st.sampled_from([" going", "going", "<end>", "<end>>", " <mask> ", "I'LL ", "don't", "  ", "\n\n"]),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=300, deadline=None)
@given(text=TEXT)
def test_ids_by_word_are_the_tokenizers_own(name: str, text: str) -> None:
    fast, whole = ENCODERS[name]
    assert isinstance(fast, WordEncoder)
    assert fast(text) == whole(text)


def test_a_tokenizer_without_words_of_its_own_is_asked_itself() -> None:
    """SentencePiece merges over blanks; a rule with classes unknown here, or sampled merges, can't be looked up."""
    late = trained(pre_tokenizers.ByteLevel(add_prefix_space=False), split(r"\p{L}+|[^\p{L}]+"))
    for tokenizer in (sentence_piece(), trained(split(r"\p{Han}+|\s+|\S+"), BYTES), late):
        assert not isinstance(encoder(tokenizer, proof.TEXTS), WordEncoder)
    dropping = byte_level()
    dropping.backend_tokenizer.model.dropout = 0.5
    try:
        assert not isinstance(encoder(dropping, proof.TEXTS), WordEncoder)
    finally:
        dropping.backend_tokenizer.model.dropout = None


@pytest.mark.parametrize(
    ("steps", "apart"),
    [((pre_tokenizers.ByteLevel(add_prefix_space=False),), True), ((split(GPT_4), BYTES), False)],
    ids=["gpt-2", "gpt-4"],
)
def test_a_stop_and_the_line_breaks_after_it_are_one_word_to_some(steps: Sequence[Any], apart: bool) -> None:
    """Then text added to a content changes how the content ends."""
    texts = [f"{said}\n\n({said})" for said in sentences()]
    encode = encoder(trained(*steps, texts=texts), proof.TEXTS)
    assert isinstance(encode, WordEncoder)
    assert (encode(f"x.{ADDED}") == encode("x.") + encode(ADDED)) is apart
