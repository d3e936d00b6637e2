"""Tables of text: the sign that separates their columns, which differs by country and program."""

import csv
from collections.abc import Iterable
from itertools import chain

_SIGNS = ",;\t"


def delimiter(header: str) -> str:
    """The most frequent of comma, semicolon and tab in the first line of a table; the comma if there is none."""
    return max(_SIGNS, key=header.count)


def dict_reader(lines: Iterable[str]) -> "csv.DictReader[str]":
    """A `csv.DictReader` for a table separated by commas, semicolons or tabs."""
    own = iter(lines)
    header = next(own, "")
    return csv.DictReader(chain([header], own), delimiter=delimiter(header))
