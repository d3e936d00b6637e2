"""What the patient's side knows of a language, and what it doesn't: said at the start of a run and in its report."""

from collections.abc import Iterable

from harness.agents import cues, directions
from harness.agents.prompt import LANGUAGES, template_languages


def heard_by_rules(state: str, language: str) -> bool:
    """Whether the therapist's turns are appraised by rules under this `patient.state` in this language."""
    return state == "rules" or (state == "auto" and language.split("-")[0] in cues.languages())


def shortcomings(codes: Iterable[str], state: str) -> list[str]:
    """A line for each of these languages in which the patient is played or heard less well than in English.

    `state` is that of `patient.state`.
    """
    known = sorted({code.split("-")[0] for code in codes})
    return [line for code in known if (line := _line(code, heard_by_rules(state, code)))]


def _line(code: str, by_rules: bool) -> str | None:
    if code == "en":
        return None
    lacking = []
    if code not in template_languages():
        lacking.append("prompts and greeting are English, with the wish to speak it")
    if code not in directions.languages():
        lacking.append("directions are English")
    if by_rules and code not in cues.languages():
        lacking.append("of the therapist's turns only questions, length, repetition and shared words are heard")
    elif by_rules:
        lacking.append("the therapist's turns are heard by phrases alone, without the classifier that English has")
    if not lacking:
        return None
    advice = "; patient.state=model hears more" if by_rules else ""
    return f"language {LANGUAGES.get(code, code)}: {'; '.join(lacking)}{advice}"
