"""The persona as a judge is shown it: identity, resistance, and what the patient holds back until when."""

from harness.personas.schema import Persona


def persona_text(persona: Persona) -> str:
    """The persona as lines of text, without details that only affect how a patient talks."""
    who, mind = persona.identity, persona.conceptualization
    lines = [
        f"{who.name}, {who.age}, {who.gender}, {who.occupation}. {who.background} {who.living}",
        f"Problem: {persona.presenting_problem}",
        f"History: {persona.history}",
        f"Beliefs: {'; '.join([*mind.core_beliefs, *mind.intermediate_beliefs])}",
        f"Style: {persona.style}, {persona.profile.length} {persona.profile.channel} turns. Resistance: {', '.join(persona.resistance)}. "
        f"Stage of change: {persona.stage}. Pace: {persona.pace.speed}. Risk: {persona.risk}.",
        "Held back, to be told in this order and only with enough trust (0 to 1):",
        *(
            f"- {layer.topic} (trust {layer.trust:g}, needs {layer.needs}): {layer.content}"
            for layer in persona.disclosure
        ),
    ]
    return "\n".join(lines)
