"""Finds a speaker that leaves its role: writes for the other, calls itself a machine, leaks its instructions.

Sources of the failure kinds: role flips and speaking for the other are the failures that public patient simulators
report most. Rules look for what such turns say outright; a subtle drift is a matter for a judge.
"""

import re

from harness.guard.repetition import Finding
from harness.text import plain
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
_MACHINE = re.compile(
    r"\b(?:i am|i'm|as|being) (?:just |only |merely )?(?:an? )?(?:helpful |virtual |digital )?"
    r"(?:ai|a\.i\.|artificial intelligence|(?:large )?language model|llm|chatbot|virtual assistant|computer program)\b"
    r"|\b(?:i was|i am|i'm|been) (?:trained|created|developed|made) by (?:openai|meta|google|anthropic|mistral|alibaba|hugging ?face)\b"
)
_LEAK = re.compile(
    r"<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>|\bsystem prompt\b|\bmy (?:instructions|prompt)\b"
    r"|\b(?:as|i was|i am|i've been|i'm) instructed to\b|\brole-?play(?:ing)? (?:as|scenario|exercise)\b"
    r"|\b(?:in|stay in|staying in|remain in|break) character\b|\bthe (?:persona|character) (?:i am|i'm|of)\b"
    r"|\bas the (?:simulated )?(?:patient|client|therapist),|\bhere(?:'s| is) (?:my|a|the) (?:response|reply|next turn)\b"
    r"|\bsimulated (?:patient|session|client)\b"
)
_LEAK_WORDS = (
    "<|",
    "inst]",
    "sys>>",
    "_of_turn",
    "prompt",
    "instruct",
    "play",
    "character",
    "persona",
    "as the ",
    "here",
    "simulated",
)
_HELPER_STRONG = re.compile(
    r"\bhow (?:can|may) i (?:help|assist|support) you\b|\bas your (?:therapist|counsell?or)\b|\bwhat brings you (?:here|in)\b"
    r"|\bi'm here to (?:help|support|listen|assist)\b|\bi am here to (?:help|support|listen|assist)\b"
)
_HELPER_WEAK = re.compile(
    r"\bthank you for (?:sharing|opening up|trusting)|\bit sounds like you\b|\bhow does that (?:make you feel|sit with you|land)"
    r"|\blet's (?:explore|work on|start by|take a)\b|\bhave you (?:tried|considered|thought about)\b"
    r"|\bit's (?:completely |perfectly |totally )?(?:okay|ok|normal|understandable|natural|important) (?:to|that you)\b"
    r"|\bi'm (?:so |really )?(?:glad|proud) (?:you|of you)\b|\bremember that you\b|\byou're not alone\b|\byour feelings are valid\b"
    r"|\bi (?:understand|hear) (?:how you|that you|you)\b|\bi appreciate (?:you|your) (?:sharing|opening|openness|honesty)\b"
)
_CLIENT_STRONG = re.compile(
    r"\bas your (?:patient|client)\b|\bthank you,? (?:doctor|doc)\b|\bmy (?:therapist|counsell?or) (?:says|said|told)\b"
)
_HELPER_WORDS = ("you", "let's")
_CLIENT_WORDS = ("as your", "doc", "my therapist", "my counsel")


def role_break(text: str, speaker: Speaker) -> Finding | None:
    """The plainest way in which the turn leaves its role, or None."""
    low = plain(text)
    form_what = _labels(low, speaker) or _machine(low) or _leak(low) or _swapped(low, speaker)
    if form_what is None:
        return None
    form, what = form_what
    return Finding("role_break", {"form": form, "what": what[:80]})


def _labels(low: str, speaker: Speaker) -> tuple[str, str] | None:
    if ":" not in low:
        return None
    found = [match.group(1) for match in _LABEL.finditer(low)]
    if not found:
        return None
    speakers = {_NAMES.get(name) for name in found}
    if len(speakers) > 1:
        return "both_sides", ", ".join(sorted(set(found)))
    if speakers == {speaker}:
        return "label", found[0]
    return "speaks_for_other", found[0]


def _machine(low: str) -> tuple[str, str] | None:
    match = _MACHINE.search(low)
    return ("machine", match.group()) if match else None


def _leak(low: str) -> tuple[str, str] | None:
    if not any(hint in low for hint in _LEAK_WORDS):
        return None
    match = _LEAK.search(low)
    return ("leak", match.group()) if match else None


def _swapped(low: str, speaker: Speaker) -> tuple[str, str] | None:
    if speaker is Speaker.THERAPIST:
        match = _CLIENT_STRONG.search(low) if any(hint in low for hint in _CLIENT_WORDS) else None
        return ("swapped", match.group()) if match else None
    if not any(hint in low for hint in _HELPER_WORDS):
        return None
    if strong := _HELPER_STRONG.search(low):
        return "swapped", strong.group()
    weak = {match.group() for match in _HELPER_WEAK.finditer(low)}
    return ("swapped", "; ".join(sorted(weak))) if len(weak) >= 2 else None
