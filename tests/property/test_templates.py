"""Over the templates of public families: prompts hold the whole dialogue and are counted exactly, turns end where they end,
and reasoning never becomes dialogue; or the template is refused by name in one line."""

from functools import cache

import pytest

from harness.context.render.renderer import Renderer
from harness.engines.reasoning import split
from harness.errors import ConfigError
from harness.types import Message, Role
from tests.fixtures.templates import byte_tokenizer, template
from tests.fixtures.templates.formats import ANSWER, FORMATS, THOUGHT, tokenizer_of

SAID = (
    "I don't sleep, since March or so.",
    "Since March. What changed then?",
    "My brother moved out (Tuesday, 10:30).",
    "And the evenings since?",
    "Long. 'Too long', my wife says -- naïve, maybe: שלום.",
)


@cache
def renderer_of(name: str) -> Renderer:
    return Renderer(tokenizer_of(name), template_args=FORMATS[name].args, name=name)


def talk(count: int, *, system: bool) -> list[Message]:
    roles: tuple[Role, Role] = ("user", "assistant")
    turns = [Message(roles[i % 2], f"{SAID[i % len(SAID)]} [{i}]") for i in range(count)]
    return [Message("system", "You are a patient, 41, a cook."), *turns] if system else turns


def reads_in_order(text: str, messages: list[Message]) -> bool:
    place = 0
    for message in messages:
        place = text.find(message.content.strip(), place)
        if place < 0:
            return False
        place += len(message.content)
    return True


def test_at_least_fifty_templates_are_tried() -> None:
    assert len({template(each.file) for each in FORMATS.values()}) >= 50


@pytest.mark.parametrize("name", FORMATS)
def test_every_prompt_holds_the_whole_dialogue_and_is_counted_exactly(name: str) -> None:
    """Read back from its ids, which are those that transformers gives for the same messages."""
    renderer, each = renderer_of(name), FORMATS[name]
    assert renderer.has_system is each.has_system
    assert renderer.template.parts is each.parts
    previous = None
    for count in (1, 3, 5, 7, 21):
        for system in (True, False) if each.has_system else (False,):
            messages = talk(count, system=system)
            previous = renderer.render(messages, previous)
            plain = [{"role": m.role, "content": renderer.template.content(m.content)} for m in messages]
            expected = renderer.tokenizer.apply_chat_template(
                plain, add_generation_prompt=True, return_dict=False, **each.args
            )
            assert list(previous.ids) == expected
            prompt = renderer.prompt(messages, previous.ids, max_new_tokens=64, max_model_len=1 << 16)
            assert prompt.tokens == len(expected)
            read = renderer.tokenizer.decode(expected, skip_special_tokens=False)
            dialogue = messages[1:] if system else messages
            assert reads_in_order(read, dialogue)
            assert not system or messages[0].content in read


@pytest.mark.parametrize("name", FORMATS)
def test_a_turn_ends_at_the_tokens_of_its_format(name: str) -> None:
    renderer, each = renderer_of(name), FORMATS[name]
    tokens = renderer.tokenizer.convert_ids_to_tokens(list(renderer.template.stop_ids))
    assert set(tokens) == set(each.ends)
    assert renderer.template.stop_texts == each.end_texts


@pytest.mark.parametrize("name", FORMATS)
def test_reasoning_never_becomes_dialogue(name: str) -> None:
    renderer, each = renderer_of(name), FORMATS[name]
    form = renderer.template.answer
    assert (form.awaits, form.header) == (each.awaits, each.header)
    ids = renderer.encode(each.written(each.wrote))
    wrote = renderer.tokenizer.decode(list(ids), skip_special_tokens=not form.special)  # as an engine does
    reasoning, answer = split(wrote, form)
    assert answer.strip() == ANSWER
    assert reasoning == (THOUGHT if each.cut else None) or (reasoning or "").startswith(THOUGHT)
    if each.cut:
        ids = renderer.encode(each.written(each.cut))
        reasoning, answer = split(renderer.tokenizer.decode(list(ids), skip_special_tokens=not form.special), form)
        assert answer == ""
        assert THOUGHT in (reasoning or "")


@pytest.mark.parametrize("name", FORMATS)
def test_an_answer_under_a_schema_needs_no_end_of_reasoning(name: str) -> None:
    """An engine holds the model to the schema from its first token, also where the prompt opened reasoning."""
    assert split('{"a": 1}', renderer_of(name).template.answer, constrained=True) == (None, '{"a": 1}')


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (template("chatml") + "{% if add_generation_prompt %}<|ponder|>{% endif %}", "opens '<|ponder|>'"),
        (template("chatml") + "{% if add_generation_prompt %}<draft>\n{% endif %}", "opens '<draft>'"),
        (template("smolvlm").replace("line['text']", "''"), "drops contents"),
        (
            template("llama4").replace("message['content'] }}", "'' }}").replace("content['text']", "''"),
            "drops contents",
        ),
        (template("chatml").replace("messages %}", "messages[-4:] %}"), "drops contents"),
        ("{% for m in messages %}{{ m.nothing.content }}{% endfor %}", "can't render"),
        ("{% for m in messages %}{{ m.content }}", "can't render"),
    ],
)
def test_what_is_not_understood_is_refused_by_name_in_one_line(source: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Renderer(byte_tokenizer(source, ("<|im_start|>", "<|im_end|>", "<|ponder|>")), name="org/model")
    assert str(refused.value).startswith("org/model: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
