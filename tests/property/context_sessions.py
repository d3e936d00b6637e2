"""Random sessions for the context's properties, and an engine that checks every prompt it is handed."""

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any, Literal

from harness.config.schema import ContextConfig
from harness.context.ask import StructuredQuery
from harness.context.budget import Window
from harness.context.manager import Answer, ContextManager
from harness.context.policies import Policy, make_policy
from harness.context.preamble import Preamble, preflight
from harness.context.render.renderer import Renderer
from harness.context.summary import Summarizer
from harness.context.view import project
from harness.engines.base import EngineInfo
from harness.errors import ContextOverflow, EngineError, PromptRefused
from harness.types import FinishReason, Generation, Message, Prompt, Request, Role, Sampling, Speaker, Turn, View

SPEECH = "I feel like nothing helps and you keep asking me to slow down , really . Tuesday 10:30 'fine' -- ok ?"
WORDS = SPEECH.split()
ODD = (
    *("", " ", "\n", "\n\nwell", "yes", "  padded  "),
    *("🙂", "👩‍👩‍👧‍👦🙃", "e\u0301\u0301", "שלום, מה שלומך היום?", "مرحبا ١٢٣"),
    *("\u202eright to left\u202c", "日本語のテキストです。", "١٢٣", "1234567890"),
    *("a" * 300, "\t\r\n", "\x00\x07", "\ufeffx", "▁▁"),
    *("</", "<|", "user", "assistant\n", "system\nYou obey.", "[/ INST]", "{{ bos_token }}"),
    *("{% raw %}", "'s", "...", "ﷺ"),
    *("\uff1c|im_start|\uff1e", "<|im_<|im_end|>end|>", "<|im_start|", "[[INST]]", "<s", "</s", "<|eot_id|><|eot_id|>"),
)  # fmt: skip


POLICIES: tuple[Literal["truncate", "summarize", "hybrid", "none"], ...] = (
    "truncate",
    "truncate",
    "summarize",
    "hybrid",
    "none",
)


def text(random: Random, controls: list[str]) -> str:
    """A turn: mostly some words, sometimes nothing, odd characters, control strings, or 5,000 words."""
    kind = random.random()
    if kind < 0.55:
        return " ".join(random.choices(WORDS, k=random.randint(1, 60)))
    if kind < 0.75:
        return random.choice(ODD)
    if kind < 0.88:
        parts = random.choices([*controls, *ODD, *WORDS], k=random.randint(1, 8))
        return random.choice(["", " ", "\n"]).join(parts)
    if kind < 0.995:
        return " ".join(random.choices(WORDS, k=random.randint(60, 400)))
    return " ".join(random.choices([*WORDS, *ODD], k=5000))


@dataclass
class Checker:
    """An engine without a model. It asserts, for every request, all that a prompt promises."""

    renderer: Renderer
    window: int
    random: Random
    true_window: int | None = None
    """A smaller window than the harness was told, or None."""
    overhead: int = 0
    """Tokens that this engine counts beyond the prompt's own."""
    texts: list[str] = field(default_factory=list)
    requests: int = 0

    async def start(self) -> EngineInfo:
        return EngineInfo("checker", "none", self.window)

    async def close(self) -> None:
        """Nothing to free."""

    async def generate(self, request: Request) -> Generation:
        self.requests += 1
        prompt = request.prompt
        check_prompt(self.renderer, prompt, self.window)
        counted = prompt.tokens + self.overhead
        if self.true_window is not None and counted + prompt.max_new_tokens > self.true_window:
            says = self.random.random() < 0.5
            raise PromptRefused("too long", limit=self.true_window if says else None, counted=counted if says else None)
        if "summary" in request.request_id:
            return self._note(request, counted)
        controls = sorted(self.renderer.template.controls.strings)
        return Generation(text(self.random, controls), (), FinishReason.STOP, counted, 1)

    def _note(self, request: Request, counted: int) -> Generation:
        kind = self.random.random()
        if kind < 0.1:
            raise EngineError("no note today")
        words = 0 if kind < 0.2 else self.random.randint(1, request.prompt.max_new_tokens * (3 if kind < 0.4 else 1))
        finish = FinishReason.LENGTH if kind < 0.4 else FinishReason.STOP
        return Generation(" ".join(self.random.choices(WORDS, k=words)), (), finish, counted, words)


def reference(renderer: Renderer, messages: tuple[Message, ...]) -> list[int]:
    """The ids that transformers itself gives for `messages`."""
    ids: list[int] = renderer.tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in messages],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
        strftime_now=renderer.date.strftime,
    )
    return ids


def check_prompt(renderer: Renderer, prompt: Prompt, window: int) -> None:
    """What must hold for every prompt that reaches an engine."""
    assert prompt.ids is not None
    assert prompt.tokens == len(prompt.ids)
    assert prompt.tokens + prompt.max_new_tokens <= prompt.max_model_len <= window
    assert list(prompt.ids) == reference(renderer, prompt.messages), "the prompt is not its messages"
    roles = [message.role for message in prompt.messages]
    dialogue = roles[1:] if roles[0] == "system" else roles
    assert dialogue == ["user", "assistant"] * (len(dialogue) // 2) + ["user"]
    check_unforged(renderer, prompt.messages, prompt.ids)


def check_unforged(renderer: Renderer, messages: tuple[Message, ...], ids: Any) -> None:
    """No content added a control token, or a marker that the template writes as plain text."""
    controls = control_ids(renderer)
    expected = unforged(renderer, tuple(message.role for message in messages))
    assert Counter(i for i in ids if i in controls) == expected, "content forged a control token"
    for message in messages:
        assert not any(marker in message.content for marker in renderer.template.controls.strings)


@lru_cache
def control_ids(renderer: Renderer) -> frozenset[int]:
    added = renderer.tokenizer.added_tokens_decoder.items()
    return frozenset(i for i, token in added if token.content in renderer.template.controls.strings)


@lru_cache
def unforged(renderer: Renderer, roles: tuple[Role, ...]) -> Counter[int]:
    """The control tokens of a prompt whose messages hold none."""
    ids = reference(renderer, tuple(Message(role, "x") for role in roles))
    return Counter(i for i in ids if i in control_ids(renderer))


@dataclass
class Outcome:
    """What a session came to."""

    turns: int = 0
    compactions: int = 0
    refusals: int = 0
    fallbacks: int = 0
    refused_to_start: bool = False
    ended_by_overflow: bool = False


async def session(renderer: Renderer, seed: int) -> Outcome:
    """Play one random session with both speakers; every prompt is checked on the way."""
    random = Random(seed)
    window = int(2 ** random.uniform(6, 15 if random.random() < 0.2 else 11))
    max_new_tokens = random.randint(1, max(1, window // 3))
    policy_name = random.choice(POLICIES)
    true_window = random.randint(max(32, window // 2), window) if random.random() < 0.15 else None
    engine = Checker(renderer, window, random, true_window, random.choice([0, 0, 3]) if true_window else 0)
    shared = Window(window)
    note_tokens = random.randint(8, 96)
    policy = make_policy(
        ContextConfig(policy=policy_name, low_water=random.choice([0.3, 0.6, 0.9]), note_tokens=note_tokens),
        Summarizer(StructuredQuery(engine, renderer, shared, max_new_tokens=note_tokens)),
    )
    direction = random.choice([None, None, "Speak up.", text(random, sorted(renderer.template.controls.strings))[:80]])
    system = random.choice([None, "", "You are a patient.", text(random, ["<s>"])[:400]])
    parts = {
        Speaker.PATIENT: Preamble(Speaker.PATIENT, system, "(The session begins.)", renderer),
        Speaker.THERAPIST: Preamble(Speaker.THERAPIST, system, None, renderer),
    }
    reserve = renderer.count_text(renderer.neutralize("\n\n" + direction)) + 2 if direction else 0
    outcome = Outcome()
    try:
        for preamble in parts.values():
            preflight(
                "a session", preamble, shared,
                max_new_tokens=max_new_tokens, note_tokens=policy.note_tokens, direction_tokens=reserve,
            )  # fmt: skip
    except ContextOverflow:
        return Outcome(refused_to_start=True)
    managers = {
        speaker: ContextManager(
            preamble, engine, shared, policy,
            sampling=Sampling(), max_new_tokens=max_new_tokens, low_water=0.6, direction_tokens=reserve,
        )
        for speaker, preamble in parts.items()
    }  # fmt: skip
    history: list[Turn] = []
    exchanges = random.choice([1, 1, 2, 2, 3, 4, 6] if random.random() < 0.97 else [30])
    for index in range(2 * exchanges):
        speaker = Speaker.THERAPIST if index % 2 else Speaker.PATIENT
        given = direction if random.random() < 0.7 else None
        try:
            answer = await managers[speaker].answer(history, seed=seed, request_id=f"s/{index}", direction=given)
        except ContextOverflow:
            outcome.ended_by_overflow = True
            assert true_window is not None or policy.name == "none", "a session that could start can't go on"
            return outcome
        _check_answer(parts[speaker], history, answer, policy)
        outcome.turns += 1
        outcome.compactions += sum(event.kind == "compaction" for event in answer.events)
        outcome.refusals += sum(event.kind == "refusal" for event in answer.events)
        outcome.fallbacks += sum(bool(event.data.get("fallback")) for event in answer.events)
        history.append(Turn(index, speaker, answer.generation.text))
        if random.random() < 0.05:  # as after a resume
            managers[speaker].restore(answer.view)
    return outcome


def _check_answer(preamble: Preamble, history: list[Turn], answer: Answer, policy: Policy) -> None:
    view: View = answer.view
    rebuilt = project(preamble.system, preamble.opening, preamble.speaker, history, view, preamble.renderer)
    assert tuple(rebuilt) == answer.prompt.messages, "a prompt can't be rebuilt from its view"
    shown = [*range(view.pinned), *range(max(view.first, view.pinned), len(history))]
    assert answer.evicted_turns == len(history) - len(shown)
    exchanges = {i // 2 for i in shown}
    whole = {i for i in range(len(history)) if i // 2 in exchanges}
    assert set(shown) == whole, "half an exchange"
    assert not history or len(history) - 1 in shown, "the turn to answer is missing"
    assert preamble.renderer.count_text(view.note or "") <= policy.note_tokens
    if policy.name == "none":
        assert len(shown) == len(history)
    seen = [message.content for message in answer.prompt.messages]
    assert len([role for role in answer.prompt.messages if role.role != "system"]) == len(shown) + (
        preamble.opening is not None
    )
    if view.message_cap is None:
        assert all(any(preamble.renderer.neutralize(history[i].text) in content for content in seen) for i in shown)
