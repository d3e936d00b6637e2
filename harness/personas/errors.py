"""Turns what is wrong with a persona into one clear line a mistake."""

from pydantic import ValidationError

from harness.personas.schema import Persona
from harness.reading import mistakes


def lines_of(error: ValidationError) -> list[str]:
    """One line for each mistake, in the order of the schema."""
    return mistakes.lines_of(error, Persona, "a persona")
