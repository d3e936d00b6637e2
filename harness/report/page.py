"""Renders pages from templates: all text is escaped, and only the script whose hash is in the page's policy runs."""

import base64
import hashlib
import shlex
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from harness.report import words
from harness.report.charts import lines, ribbon, small, strip
from harness.store.files import storage_error, write_whole
from harness.text.visible import visible

_FOLDER = Path(__file__).parent / "templates"
_FILTERS: Mapping[str, Callable[..., object]] = {
    name: getattr(words, name)
    for name in (
        *(
            "number",
            "percent",
            "signed",
            "counted",
            "seconds",
            "label",
            "place",
            "page_link",
            "metric",
            "measured",
            "happened",
            "quoted",
        ),
    )
}


def render(template: str, **values: Any) -> str:
    """A page from `templates/` as HTML. All text of models, personas and configs is escaped."""
    return (
        _environment()
        .get_template(template)
        .render(style=Markup(_file("page.css")), script=Markup(_file("page.js")), policy=Markup(policy()), **values)
    )


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(
        small=small,
        ribbon=ribbon.ribbon,
        strip=strip.strip,
        disclosure=strip.disclosure,
        lines=lines.lines,
        series=lines.Series,
        axis=lines.Axis,
    )
    return environment


@cache
def policy() -> str:
    """The content security policy: nothing is loaded, and no script except ours runs."""
    digest = base64.b64encode(hashlib.sha256(_file("page.js").encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def put(path: Path, html: str) -> Path:
    """Write a page completely or not at all. Raises `StorageError`."""
    try:
        write_whole(path, html.encode(), durable=False)
    except OSError as error:
        raise storage_error(path, "write", error, "mend that, then write it again: python -m harness report") from error
    return path


def command(*words: object) -> str:
    """A command of the harness as a user types it."""
    return shlex.join(["python", "-m", "harness", *map(str, words)])


@cache
def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _safe(value: object) -> object:
    """Text without control characters, which Jinja then escapes; our own markup unchanged."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
