"""What the patient's side lacks in a language. The start of a run and its report show it."""

from collections.abc import Iterable

from harness.agents import cues, directions
from harness.agents.prompt import LANGUAGES, template_languages


def heard_by_rules(state: str, language: str) -> bool:
    """Whether rules appraise the therapist's turns, for this value of `patient.state` in this language."""
    return state == "rules" or (state == "auto" and language.split("-")[0] in cues.languages())


def shortcomings(codes: Iterable[str], state: str) -> list[str]:
    """A line for each of these languages in which something is missing that English has.

    `state` is the value of `patient.state`.
    """
    known = sorted({code.split("-")[0] for code in codes})
    return [line for code in known if (line := _line(code, heard_by_rules(state, code)))]


def _line(code: str, by_rules: bool) -> str | None:
    if code == "en":
        return None
    lacking = []
    if code not in template_languages():
        lacking.append("prompts and greeting are in English and ask for this language")
    if code not in directions.languages():
        lacking.append("directions are in English")
    if by_rules and code not in cues.languages():
        lacking.append("the therapist's turns are appraised by questions, length, repetition and shared words alone")
    elif by_rules:
        lacking.append("the therapist's turns are appraised without the classifier that English has")
    if not lacking:
        return None
    advice = "; patient.state=model appraises more" if by_rules else ""
    return f"language {LANGUAGES.get(code, code)}: {'; '.join(lacking)}{advice}"
