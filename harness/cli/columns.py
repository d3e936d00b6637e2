"""Prints names and descriptions in two columns."""

import shutil
import sys
from collections.abc import Mapping

from harness.text.visible import one_line, say


def two_columns(listing: Mapping[str, str]) -> None:
    """One line per entry, cut to the width of a terminal; not cut if the output is not a terminal."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    width = max(map(len, listing), default=0)
    for name, about in listing.items():
        line = one_line(f"{name:<{width}}  {about}")
        say(line if len(line) <= columns else f"{line[: columns - 3]}...")
