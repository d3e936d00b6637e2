"""What a user should know of a run before its first turn, in a line each."""

from harness.agents.languages import shortcomings
from harness.config.schema import RunConfig
from harness.runs.prepare import RunSpec


def openings(spec: RunSpec) -> list[str]:
    """What the guard does to both sides, and what is not seen in the languages of the patients."""
    return [spec.config.guard.says(), *languages(spec.config, [persona.language for persona in spec.personas])]


def languages(config: RunConfig, codes: list[str]) -> list[str]:
    """What the patient's side lacks in these languages; nothing where the patient is recorded or has no inner state."""
    if config.patient.kind == "replay":
        return []
    return shortcomings(codes, config.patient.state)
