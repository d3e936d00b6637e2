r"""Makes text safe to show: escapes characters that control a terminal, reverse text or imitate a line break.

Terminals, transcripts, the report and comparisons all use it. ESC becomes `\x1b`, a right-to-left override `\u202e`.
Data files (JSON) keep every character.
"""

import json
import os
import re
from pathlib import Path
from typing import TextIO

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Unicode's Bidi_Control
    "\u2028\u2029\ufff9-\ufffb"  # other line ends, interlinear annotation
    "\ud800-\udfff]"  # surrogates, as in file names that are not UTF-8; no encoding takes them
)
_BREAK = re.compile(r"(?<![ \t])[ \t]*+[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str) -> str:
    """The text with unsafe characters escaped; line breaks and tabs stay."""
    return _UNSAFE.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same on one line: a line break and the blanks around it become one blank."""
    return visible(_BREAK.sub(" ", text.rstrip()))


def say(text: str = "", *, end: str = "\n", file: TextIO | None = None) -> None:
    """Print a text of any origin through `visible`. All commands print with it."""
    print(visible(text), end=end, file=file, flush=True)


def nowhere() -> TextIO:
    """A file for what nobody can read."""
    return Path(os.devnull).open("w", encoding="utf-8")


def to_json(value: object, indent: int | None = None) -> str:
    """`value` as JSON without raw control characters; parsing it gives the same value."""
    return visible_json(json.dumps(value, ensure_ascii=False, indent=indent))


def visible_json(text: str) -> str:
    """JSON text with unsafe characters as JSON escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def csv_cell(value: object) -> object:
    """A value for a CSV cell. Text that a spreadsheet could take for a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.startswith(_FORMULA) else visible(value)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] == "\r":
        return "\\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
