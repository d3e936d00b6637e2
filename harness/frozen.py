"""Records that are frozen to the type checker, without what freezing costs at run time.

`dataclass(frozen=True)` sets every field through `object.__setattr__`, which makes an object four times as dear to build.
A turn builds twenty with a hundred fields, a sixteenth of all that it costs. So what every turn builds is a `frozen`
record, in which mypy refuses an assignment wherever it looks; what is built rarely is a frozen dataclass.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(record: type[T]) -> type[T]:
    """A class as a dataclass with slots, which compares and hashes by its fields; nobody may set them."""
    return dataclass(slots=True, unsafe_hash=True)(record)
