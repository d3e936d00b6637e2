"""The codes of human coders that the product has a counterpart of."""

from collections.abc import Callable, Mapping

from harness.hearing import Act, Heard

CODES: Mapping[str, Callable[[Heard], bool]] = {
    "question": lambda heard: heard.questions > 0,
    "open_question": lambda heard: heard.open_questions > 0,
    "closed_question": lambda heard: heard.questions > heard.open_questions,
    "reflection": lambda heard: heard.does(Act.REFLECTION),
    "simple_reflection": lambda heard: heard.does(Act.REFLECTION) and not heard.does(Act.COMPLEX),
    "complex_reflection": lambda heard: heard.does(Act.REFLECTION) and heard.does(Act.COMPLEX),
    "advice": lambda heard: heard.does(Act.ADVICE),
    "information": lambda heard: heard.does(Act.INFORMATION),
    "therapist_input": lambda heard: heard.does(Act.ADVICE) or heard.does(Act.INFORMATION),
    "affirmation": lambda heard: heard.does(Act.AFFIRMATION),
    "validation": lambda heard: heard.does(Act.VALIDATION),
    "confrontation": lambda heard: heard.does(Act.CONFRONTATION),
    "self_disclosure": lambda heard: heard.does(Act.DISCLOSURE),
    "safety": lambda heard: heard.does(Act.SAFETY),
    "structure": lambda heard: heard.does(Act.STRUCTURE),
    "autonomy": lambda heard: heard.does(Act.AUTONOMY),
    "permission": lambda heard: heard.does(Act.PERMISSION),
    "backchannel": lambda heard: heard.backchannel,
}
"""Code of a human coder to its condition on the product's result."""
