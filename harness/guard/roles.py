"""Finds turns that leave the role: they write for the other speaker, mention a machine, or leak instructions.

These are the failures that publications on patient simulators report most. The rules find explicit words; finding a
subtle drift needs a judge.
"""

import re

from harness.guard.loops import Finding
from harness.guard.patterns import Hinted
from harness.text.words import plain
from harness.types import Speaker

_NAMES = {
    "patient": Speaker.PATIENT,
    "client": Speaker.PATIENT,
    "therapist": Speaker.THERAPIST,
    "counselor": Speaker.THERAPIST,
    "counsellor": Speaker.THERAPIST,
    "psychologist": Speaker.THERAPIST,
}
_LABEL = re.compile(
    r"^[ \t>*_#\[]*(patient|client|therapist|counsell?or|psychologist|assistant|user|human|system)[*_\]]*[ \t]*:",
    re.MULTILINE,
)


_MACHINE_NAMES = (
    r"(?:ai|a\.i\.|artificial intelligence|(?:large )?language model|llm|chatbot|virtual assistant|computer program)"
)
MACHINE = Hinted.any_of(
    (
        *(" ai", " a.i.", "artificial", "language model", "llm", "chatbot", "assistant", "computer program"),
        *("trained by", "created by", "developed by", "made by"),
    ),
    rf"\b(?:i am|i'm|as|being) (?:just |only |merely )?(?:an? )?(?:helpful |virtual |digital )?{_MACHINE_NAMES}\b",
    r"\b(?:i was|i am|i'm|been) (?:trained|created|developed|made) by (?:openai|meta|google|anthropic"
    r"|mistral|alibaba)\b",
)
LEAK = Hinted.any_of(
    (
        *("<|", "inst]", "sys>>", "_of_turn", "prompt", "instruct", "roleplay", "role-play", "in character"),
        *("break character", "the character", "the persona", "as the patient", "as the client", "as the therapist"),
        *("response", "reply", "next turn", "simulated"),
    ),
    r"<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>",
    r"\bsystem prompt\b|\bmy (?:instructions|prompt)\b",
    r"\b(?:as|i was|i am|i've been|i'm) instructed to\b",
    r"\brole-?play(?:ing)? (?:as|scenario|exercise)\b",
    r"\b(?:in|stay in|staying in|remain in|break) character\b",
    r"\bthe (?:persona|character) (?:i am|i'm|of)\b",
    r"\bas the (?:simulated )?(?:patient|client|therapist),",
    r"\bhere(?:'s| is) (?:my|a|the) (?:response|reply|next turn)\b",
    r"\bsimulated (?:patient|session|client)\b",
)
HELPER = Hinted.any_of(
    ("i help you", "i assist you", "i support you", "as your", "brings you", "here to"),
    r"\bhow (?:can|may) i (?:help|assist|support) you\b",
    r"\bas your (?:therapist|counsell?or)\b",
    r"\bwhat brings you (?:here|in)\b",
    r"\bi(?:'m| am) here to (?:help|support|listen|assist)\b",
)
"""A patient with any of these speaks as a helper."""
HELPER_TONES = {
    "thank you for": re.compile(r"\bthank you for (?:sharing|opening up|trusting)"),
    "it sounds like you": re.compile(r"\bit sounds like you\b"),
    "how does that": re.compile(r"\bhow does that (?:make you feel|sit with you|land)"),
    "let's": re.compile(r"\blet's (?:explore|work on|start by|take a)\b"),
    "have you": re.compile(r"\bhave you (?:tried|considered|thought about)\b"),
    "it's ": re.compile(r"\bit's (?:\w+ly )?(?:okay|ok|normal|understandable|natural|important) (?:to|that you)\b"),
    "proud of you": re.compile(r"\bproud of you\b"),
    "glad you": re.compile(r"\bi'm (?:so |really )?glad you\b"),
    "remember that you": re.compile(r"\bremember that you\b"),
    "not alone": re.compile(r"\byou(?:'re| are) not alone\b"),
    "your feelings": re.compile(r"\byour feelings are valid\b"),
    "i understand": re.compile(r"\bi understand (?:how you|that you)"),
    "i hear": re.compile(r"\bi hear (?:how you|that you|you)\b"),
    "i appreciate": re.compile(r"\bi appreciate (?:you|your) (?:sharing|opening|openness|honesty)\b"),
}
"""One of these may occur in any patient's turn; two are a helper's. Each key is the beginning of its matches."""
CLIENT = Hinted.any_of(
    ("as your", "doc", "my therapist", "my counsel"),
    r"\bas your (?:patient|client)\b",
    r"\bthank you,? (?:doctor|doc)\b",
    r"\bmy (?:therapist|counsell?or) (?:says|said|told)\b",
)


def role_break(text: str, speaker: Speaker) -> Finding | None:
    """The clearest way in which a turn leaves the speaker's role, or None."""
    low = plain(text)
    found = (
        _labels(low, speaker) or _match("machine", low, MACHINE) or _match("leak", low, LEAK) or _swapped(low, speaker)
    )
    return None if found is None else Finding("role_break", {"form": found[0], "what": found[1][:80]})


def _labels(low: str, speaker: Speaker) -> tuple[str, str] | None:
    found = [match.group(1) for match in _LABEL.finditer(low)] if ":" in low else []
    if not found:
        return None
    speakers = {_NAMES.get(name) for name in found}
    if len(speakers) > 1:
        return "both_sides", ", ".join(sorted(set(found)))
    return ("label" if speakers == {speaker} else "speaks_for_other"), found[0]


def _match(form: str, low: str, pattern: Hinted) -> tuple[str, str] | None:
    match = pattern.search(low)
    return (form, match.group()) if match else None


def _swapped(low: str, speaker: Speaker) -> tuple[str, str] | None:
    if speaker is Speaker.THERAPIST:
        return _match("swapped", low, CLIENT)
    if strong := _match("swapped", low, HELPER):
        return strong
    if sum(map(low.__contains__, HELPER_TONES)) < 2:
        return None
    tones = [match.group() for hint, tone in HELPER_TONES.items() if hint in low and (match := tone.search(low))]
    return ("swapped", "; ".join(tones)) if len(tones) >= 2 else None
