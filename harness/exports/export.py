"""Exports run folders in one call, for the command line and for Python."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.config.plugins import EXPORTERS, blamed, load_plugins, named
from harness.errors import ConfigError, HarnessError
from harness.exports.files import whole_or_nothing
from harness.exports.job import Format, Job, Written
from harness.exports.rows import Fault, Wanted
from harness.exports.runs import ExportedRun, open_runs
from harness.exports.split import split_of
from harness.exports.where import Where
from harness.store.records import read_sessions
from harness.types import Speaker

ALL = "all"


def export(
    paths: Sequence[Path],
    form: str,
    out: Path,
    *,
    side: str | None = None,
    where: str | None = None,
    split: str | None = None,
    keep: str | None = None,
    by: str | None = None,
    margin: float | None = None,
    label: str | None = None,
    licence: str | None = None,
    settings: Sequence[str] = (),
) -> Written:
    """Write run folders and sweep folders in a format; None leaves an option at its default (`python -m harness export --help`).

    `settings` are KEY=VALUE texts for imported sessions. Raises `StorageError`, and `ConfigError` for an option that this
    format does not use.
    """
    load_plugins()
    registered: Format = EXPORTERS.get(form)
    given = {"side": side, "where": where, "split": split, "faults": keep, "by": by, "margin": margin, "label": label}
    _refuse_unused(form, registered.takes, {**given, "overrides": settings or None})
    for name, value in {**given, "keep": keep, "licence": licence}.items():
        if name not in ("margin", "faults") and not isinstance(value, str | None):
            raise ConfigError(
                f"{name}: found {type(value).__name__} {value!r:.40}, expected text as on the command line"
            )
    if not isinstance(margin, int | float | None):
        raise ConfigError(f"margin: found {type(margin).__name__} {margin!r:.40}, expected a number")
    if margin is not None and not 0 <= margin < math.inf:
        raise ConfigError(f"--margin: found {margin:g}, expected a number from 0 on")
    runs = open_runs(paths)
    if not runs:
        raise ConfigError("export: no runs; give the folders of runs or sweeps")
    job = Job(
        runs,
        out,
        Wanted(_side(side), Where(where) if where is not None else None, _faults(keep)),
        settings,
        split_of(split, _personas(runs)) if split is not None else None,
        Where(by, "--by") if by is not None else None,
        margin or 0.0,
        Where(label, "--label") if label is not None else None,
        licence,
    )
    with whole_or_nothing(out):
        return _of_plugin(form, registered, job) if form in EXPORTERS.added() else registered.write(job)


def _of_plugin(form: str, registered: Format, job: Job) -> Written:
    """What a plug-in's exporter wrote. Raises `HarnessError` for its mistakes, which names it."""
    with blamed(named("exporter", form, registered.write), HarnessError):
        written = registered.write(job)
        if not isinstance(written, Written):
            raise TypeError(f"expected it to return a Written, found {type(written).__name__} {written!r:.40}")
    return written


def _refuse_unused(form: str, takes: Iterable[str], given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None and name not in takes:
            shown = {"faults": "--keep", "overrides": f"{value}"}.get(name, f"--{name}")
            raise ConfigError(f"{shown}: has no effect with --format {form}")


def _side(text: str | None) -> Speaker:
    if text not in (None, *Speaker):
        raise ConfigError(f"--side: {text!r}: expected therapist or patient")
    return Speaker(text or Speaker.THERAPIST)


def _faults(text: str | None) -> tuple[Fault, ...]:
    if text == ALL:
        return tuple(Fault)
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    for word in words:
        if word not in list(Fault):
            raise ConfigError(f"--keep: {word!r}: expected {', '.join(Fault)}, or {ALL}")
    return tuple(Fault(word) for word in words)


def _personas(runs: Iterable[ExportedRun]) -> set[str]:
    files = [run.path / "sessions.jsonl" for run in runs]
    return {line.persona_id for file in files for line in read_sessions(file)}
