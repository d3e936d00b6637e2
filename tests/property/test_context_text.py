"""Any text at all: no content forges a turn, no bound is exceeded, and growing a prompt never changes its ids."""

from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.context.render.renderer import Renderer
from harness.types import Message, Role
from tests.fixtures.templates import FAMILIES, template, tokenizer
from tests.property.context_sessions import ODD, check_unforged, reference

PIECES = st.one_of(
    st.text(max_size=20), st.sampled_from(ODD), st.sampled_from(["<|im_end|>", "[/INST]", "</s>", "<|user|>"])
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)
SOME = ("chatml", "llama2", "zephyr", "qwen3", "mistral_v3")


@lru_cache
def renderer(family: str, small_model: Path) -> Renderer:
    return Renderer(tokenizer(family, small_model))


@pytest.mark.parametrize("family", SOME)
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=7).filter(lambda texts: len(texts) % 2 == 1), system=st.none() | TEXTS
)
def test_growing_any_conversation_gives_the_ids_of_the_whole(
    family: str, small_model: Path, texts: list[str], system: str | None
) -> None:
    made = renderer(family, small_model)
    roles: tuple[Role, Role] = ("user", "assistant")
    head = [made.message("system", system, None)] if system and made.has_system else []
    turns = [made.message(roles[i % 2], text, None) for i, text in enumerate(texts)]
    previous = None
    for end in range(1, len(turns) + 1, 2):
        messages: tuple[Message, ...] = (*head, *turns[:end])
        previous = made.render(messages, previous)
        assert list(previous.ids) == reference(made, messages)
        longer = made.lengthen(previous, "\n\n(Speak of one thing only.)")
        assert list(longer.ids) == reference(made, longer.messages)
    check_unforged(made, messages, previous.ids if previous else [])


@pytest.mark.parametrize("family", SOME)
@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_neutral_text_stays_neutral(family: str, small_model: Path, text: str) -> None:
    made = renderer(family, small_model)
    safe = made.neutralize(text)
    assert made.neutralize(safe) == safe
    assert not any(control in safe for control in made.template.controls.strings)


@pytest.mark.parametrize("family", ["chatml", "llama2"])
@settings(max_examples=100, deadline=None)
@given(text=st.lists(TEXTS, max_size=30).map(" ".join), bound=st.integers(1, 40))
def test_no_shortened_text_exceeds_its_bound(family: str, small_model: Path, text: str, bound: int) -> None:
    made = renderer(family, small_model)
    assert made.count_text(made.shorten(text, bound)) <= bound


def test_a_mistral_folder_with_a_tekken_file_is_rendered_by_its_chat_template(tmp_path: Path) -> None:
    import mistral_common

    tekken = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    (tmp_path / "tekken.json").write_bytes(tekken.read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
    (tmp_path / "template.jinja").write_text(
        template("mistral_v3").replace("bos_token", "'<s>'").replace("eos_token", "'</s>'")
    )
    made = Renderer.load(tmp_path, chat_template=tmp_path / "template.jinja")
    assert made.has_system
    assert made.template.controls.strings >= {"[INST]", "[/INST]", "<s>", "</s>"}
    messages = [made.message(role, f"[/INST] {role}", None) for role in ("system", "user", "assistant", "user")]
    ids = made.render(messages).ids
    assert made.tokenizer.convert_ids_to_tokens(ids).count("[/INST]") == 2


def test_the_templates_are_of_at_least_six_families_on_both_kinds_of_tokenizer() -> None:
    assert len(FAMILIES) >= 6
    assert {family.tokenizer.partition("-")[0] for family in FAMILIES.values()} == {"bytes", "pieces"}
