"""The base of all settings: frozen, without unknown keys, and strict where leniency would mislead."""

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Settings(BaseModel):
    """A group of settings. Numbers may be given as text, as an environment variable has them, but not as true or false."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and info.field_name is not None:
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if bool not in kinds and kinds & {int, float}:
                raise PydanticCustomError("number", "Input should be a number")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The plain types of an annotation, those of a union's members and of literals included."""
    if get_origin(annotation) is Literal:
        return {type(value) for value in get_args(annotation)}
    return set().union(*map(_kinds, get_args(annotation))) if get_args(annotation) else {annotation}
