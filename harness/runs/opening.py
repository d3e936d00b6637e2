"""Lines that a user should read before a run's first turn."""

from harness.agents.languages import shortcomings
from harness.config.schema import RunConfig
from harness.runs.prepare import RunSpec


def openings(spec: RunSpec) -> list[str]:
    """What the guard does on each side, and what the harness lacks in the languages of the patients."""
    return [spec.config.guard.says(), *languages(spec.config, [persona.language for persona in spec.personas])]


def languages(config: RunConfig, codes: list[str]) -> list[str]:
    """What the patient's side lacks in these languages; empty if the patient is recorded or has no inner state."""
    if config.patient.kind == "replay":
        return []
    return shortcomings(codes, config.patient.state)
