"""Reasoning is told from the answer by the form of its markers, in whatever state it arrives."""

import pytest

from harness.engines.reasoning import left_open, of_chat, split
from harness.types import AnswerFormat

HARMONY = AnswerFormat(header="<|channel|>final<|message|>")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("[THINK]", "[/THINK]"),
        ("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>"), ("◁think▷", "◁/think▷"), ("<cot>", "</cot>"),
        ("<|thinking|>", "<|/thinking|>"), ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<Think>", "</Think>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"), ("<longcat_think>", "</longcat_think>"), ("<|think|>", "<|end_think|>"),
        ("<|inner_prefix|>", "<|inner_suffix|>"), ("<|channel>thought", "<channel|>"), ("<unused94>thought", "<unused95>"),
        ("<think:opensource>", "</think:opensource>"), ("<｜think｜>", "<｜/think｜>"), ("<scratchpad>", "</scratchpad>"),
        ("<|thought_start|>", "<|thought_end|>"), ("<thinking_process>", "</thinking_process>"),
    ],
)  # fmt: skip
def test_markers_of_this_form(opening: str, closing: str) -> None:
    assert split(f"{opening}\nhm\n{closing}\n\nWell?") == ("hm", "Well?")
    assert split(f"hm{closing}Well?") == ("hm", "Well?"), "the prompt had opened it"
    assert split(f"{opening}hm, she") == ("hm, she", ""), "cut"
    assert split("hm, she", AnswerFormat(awaits=opening)) == ("hm, she", ""), "opened by the prompt, and cut"
    assert split(f"Well?{opening}hm") == ("hm", "Well?"), "thoughts after the answer"
    assert split(f"{opening}a{closing}Well? {opening}b{closing}Yes.") == ("a\nb", "Well? Yes.")
    assert split(f"{opening}{closing}Well?") == (None, "Well?")
    assert left_open(f"<|im_start|>assistant\n{opening}\n") == opening
    assert left_open(f"<|im_start|>assistant\n{opening}\n\n{closing}\n\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Well?",
        "I <3 you",
        "[thinking] I don't know.",
        "a < b and b > c",
        "I think, I thought.",
        "  led  by blanks ",
        "...",
    ],
)
def test_what_has_no_markers_is_left_as_it_is(text: str) -> None:
    assert split(text) == (None, text)


@pytest.mark.parametrize(
    ("wrote", "said"),
    [
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Well?", ("hm", "Well?")),
        ("<|channel|>final<|message|>Well?<|return|>", (None, "Well?")),
        ("<|channel|>final <|constrain|>json<|message|>{}<|return|>", (None, "{}")),
        ("<|channel|>analysis<|message|>hm, she", ("hm, she", "")),
        ("<|channel|>analysis<|message|>hm<|end|>", ("hm", "")),
        ("<|channel|>commentary<|message|>hm<|call|>", ("hm", "")),
        ("analysishm, she is tired.assistantfinalWell?", ("hm, she is tired.", "Well?")),
        ("analysishm, she", ("hm, she", "")),
        ("Well?", (None, "Well?")),
    ],
)
def test_of_harmony_only_the_final_channel_is_said(wrote: str, said: tuple[str | None, str]) -> None:
    """Also where a server took the tokens of the channels out of the text."""
    assert split(wrote, HARMONY) == said


def test_an_answer_stands_behind_its_header() -> None:
    form = AnswerFormat(header="<|content|>", special=("<|think|>", "<|end|>", "<|begin|>", "<|content|>"))
    whole = "<|think|>hm<|end|><|begin|>assistant<|content|>Well?<|end|>"
    assert split(whole, form)[1] == "Well?"
    assert split("<|think|>hm", form) == ("hm", "")
    assert split("<|plan|>hm", AnswerFormat(header="<|content|>", special=("<|plan|>",))) == ("hm", "")
    assert split("Well?", form) == (None, "Well?")


@pytest.mark.parametrize(
    ("content", "cut", "told", "said"),
    [
        ("hm, she", True, False, ("hm, she", "")),
        ("hm</think>Well?", False, False, ("hm", "Well?")),
        ("Well?", False, False, (None, "Well?")),
        ("Well, it is a lo", True, True, (None, "Well, it is a lo")),
    ],
)
def test_a_chat_servers_cut_answer_is_reasoning_unless_it_told_it_apart(
    content: str, cut: bool, told: bool, said: tuple[str | None, str]
) -> None:
    form = of_chat(AnswerFormat(awaits="<think>"), content, cut=cut, told=told)
    assert split(content, form) == said
