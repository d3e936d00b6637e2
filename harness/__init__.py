"""Therapist models and simulated patients talk through whole sessions; no prompt ever overflows.

    import harness

    run = harness.run(engine="dry", personas=["two-cups"], max_exchanges=4)
    run.turns().df()

Settings are those of the command line, as keyword arguments, as a dict of dotted keys, or as `KEY=VALUE` texts. All
functions work inside a running event loop, as in a notebook; `arun` and `aresume` can be awaited.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import (
    ComparisonError,
    ConfigError,
    ContextOverflow,
    EngineError,
    EngineUnavailable,
    HarnessError,
    JudgeError,
    PersonaError,
    PromptRefused,
    RequestRejected,
    StorageError,
    TranscriptError,
)
from harness.paths import __version__ as __version__
from harness.runs.in_loop import awaited, here_or_in_a_thread

if TYPE_CHECKING:
    from harness.comparison.comparison import Comparison
    from harness.config.plugins import add_folder
    from harness.context.policies import context_policy
    from harness.context.render.renderer import Renderer
    from harness.engines.base import engine
    from harness.engines.callable.offer import Offer
    from harness.exports.job import Written, exporter
    from harness.judges.folder import Result
    from harness.metrics.plugged import metric
    from harness.personas.schema import Persona
    from harness.runs.reporter import Reporter
    from harness.runs.tracking import tracker
    from harness.store.reader import Records, Run
    from harness.sweeps.reader import Sweep

__all__ = [
    "ComparisonError",
    "ConfigError",
    "ContextOverflow",
    "EngineError",
    "EngineUnavailable",
    "HarnessError",
    "JudgeError",
    "Persona",
    "PersonaError",
    "PromptRefused",
    "Records",
    "Renderer",
    "RequestRejected",
    "Run",
    "StorageError",
    "Sweep",
    "TranscriptError",
    "add_folder",
    "aresume",
    "arun",
    "compare",
    "context_policy",
    "engine",
    "export",
    "exporter",
    "judge",
    "metric",
    "open_run",
    "open_sweep",
    "resume",
    "run",
    "sweep",
    "tracker",
]

_LAZY = {
    "Persona": "harness.personas.schema",
    "Records": "harness.store.reader",
    "Renderer": "harness.context.render.renderer",
    "Run": "harness.store.reader",
    "Sweep": "harness.sweeps.reader",
    "add_folder": "harness.config.plugins",
    "context_policy": "harness.context.policies",
    "engine": "harness.engines.base",
    "exporter": "harness.exports.job",
    "metric": "harness.metrics.plugged",
    "tracker": "harness.runs.tracking",
}
"""Imported when first asked for, so that `python -m harness --help` answers at once."""

Speaking = Callable[..., str | Awaitable[str]]


def run(
    *settings: str | Mapping[str, Any],
    therapist: str | Speaking | None = None,
    patient: str | Speaking | None = None,
    config_dir: Path | str | None = None,
    quiet: bool = False,
    **more: Any,
) -> "Run":
    """Play the sessions of one config and return the finished run.

    `therapist` or `patient` may be a Python function (docs/api.md): an agent of your own in the place of a model.
    `quiet` shows no progress. Raises a `HarnessError` for what stops the run; a session that fails stops nothing, and is
    in `failures()`.
    """
    speakers = {"therapist": therapist, "patient": patient}
    offer = _offer({role: speaker for role, speaker in speakers.items() if not isinstance(speaker, str)})
    overrides = [*_overrides(settings, more), *_speaking(speakers, offer)]
    return here_or_in_a_thread(lambda: _run(overrides, config_dir, quiet, offer))


async def arun(*settings: str | Mapping[str, Any], **more: Any) -> "Run":
    """`run`, to be awaited; a cancellation interrupts the run, and waits until it is saved."""
    return await awaited(lambda: run(*settings, **more))


def resume(
    path: "Run | Path | str",
    *settings: str | Mapping[str, Any],
    therapist: Speaking | None = None,
    patient: Speaking | None = None,
    retry_failed: bool = False,
    trust_remote_code: bool = False,
    quiet: bool = False,
) -> "Run":
    """Go on with the run in `path`; a speaker that was a Python function is given again. Raises as `run`.

    `trust_remote_code`: code that comes with the run's models may run here.
    """
    offer = _offer({"therapist": therapist, "patient": patient})
    folder, overrides = _folder(path), _overrides(settings, {})
    return here_or_in_a_thread(lambda: _resume(folder, overrides, retry_failed, trust_remote_code, quiet, offer))


async def aresume(path: "Run | Path | str", *settings: str | Mapping[str, Any], **more: Any) -> "Run":
    """`resume`, to be awaited; cancelled as `arun`."""
    return await awaited(lambda: resume(path, *settings, **more))


def sweep(
    *settings: str | Mapping[str, Any], config_dir: Path | str | None = None, quiet: bool = False, **more: Any
) -> "Sweep":
    """Play every combination of settings: a setting with commas, as `"therapist=act,cbt"`, makes points."""
    overrides = _overrides(settings, more)
    return here_or_in_a_thread(lambda: _sweep(overrides, config_dir, quiet))


def open_run(path: Path | str) -> "Run":
    """The run in a folder. Raises `StorageError` where there is none."""
    from harness.store.reader import open_run as opened

    return opened(path)


def open_sweep(path: Path | str) -> "Sweep":
    """The sweep in a folder. Raises `StorageError` where there is none."""
    from harness.sweeps.reader import open_sweep as opened

    return opened(path)


def compare(
    *runs: "Run | Sweep | Path | str",
    metrics: str | Sequence[str] | None = None,
    baseline: str | None = None,
    by: str | None = None,
    judge: str | None = None,
    uncertified: bool = False,
) -> "Comparison":
    """Compare the settings of runs by paired differences with confidence intervals.

    `metrics` are dotted names (default: the headline metrics, and scores if runs were judged). `baseline` names the
    setting that the others are compared with, such as `"therapist=act"`. `by` compares the values of one key, averaged
    over all others. `judge` names the judge whose scores are read, if there are several. `uncertified` also tests scores
    that are not certified. Raises `ComparisonError` if the runs can't be compared.
    """
    from harness.comparison.catalogue import HEADLINES
    from harness.comparison.comparison import compare as compared
    from harness.comparison.runs import read_runs

    paths = [_folder(one) for one in runs]
    data = read_runs(paths, judge=judge)
    names = [metrics] if isinstance(metrics, str) else metrics or HEADLINES
    return compared(data, names=names, baseline=baseline, by=by, uncertified=uncertified)


def judge(
    run: "Run | Sweep | Path | str",
    *settings: str | Mapping[str, Any],
    rubric: str | Sequence[str] = ("safety-gate",),
    rescore: bool = False,
    config_dir: Path | str | None = None,
    quiet: bool = False,
    **more: Any,
) -> "list[Result]":
    """Let a judge answer the questions of rubrics about a run, or about each run of a sweep (docs/judging.md).

    Settings are those of `python -m harness judge`, as `"judge.model.path=FOLDER"` or `repeats=3`; `rescore` derives scores again
    and asks no model. The scores are in `open_run(...).scores()`. Raises a `HarnessError` for what stops it.
    """
    path = _folder(run)
    overrides = _overrides(settings, {"rubric": rubric, **more})
    return here_or_in_a_thread(lambda: _judge(path, overrides, config_dir, rescore, quiet))


def export(
    *runs: "Run | Sweep | Path | str", format: str, out: Path | str, settings: Sequence[str] = (), **options: Any
) -> "Written":
    """Write runs and sweeps as training data or tables into the new folder `out`: `sft`, `dpo`, `kto`, `messages`,
    `sharegpt`, `parquet`, `inspect`, or a format of a plug-in (docs/train.md).

    `options` are those of the command: `where`, `split`, `side`, `keep`, `by`, `margin`, `label`, `licence`; `settings` say how
    imported sessions are rendered. Gives the files with their rows, and what was left out and why.
    """
    from harness.exports.export import export as exported

    paths = [_folder(one) for one in runs]
    return exported(paths, format, Path(out), settings=settings, **options)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _run(overrides: Sequence[str], config_dir: Path | str | None, quiet: bool, offer: "Offer") -> "Run":
    from harness.config.compose import load_run
    from harness.runs.single import execute
    from harness.store.reader import Run

    config = load_run(overrides, Path(config_dir) if config_dir else None)
    with offer.made():
        return Run(execute(config, _reporter(quiet)).path.resolve())


def _resume(
    path: Path, settings: Sequence[str], retry_failed: bool, trusted: bool, quiet: bool, offer: "Offer"
) -> "Run":
    from harness.runs.single import resume as resumed
    from harness.store.reader import Run

    _refuse_unused(path, offer)
    with offer.made():
        outcome = resumed(path, _reporter(quiet), retry_failed=retry_failed, overrides=settings, trusted=trusted)
    return Run(outcome.path.resolve())


def _sweep(overrides: Sequence[str], config_dir: Path | str | None, quiet: bool) -> "Sweep":
    from harness.cli.reporter import TerminalReporter
    from harness.runs.reporter import Silent
    from harness.sweeps.reader import Sweep
    from harness.sweeps.sweep import sweep as played

    folder, _ = played(overrides, Path(config_dir) if config_dir else None, Silent if quiet else TerminalReporter)
    return Sweep(folder.resolve())


def _judge(
    path: Path, overrides: Sequence[str], config_dir: Path | str | None, rescore: bool, quiet: bool
) -> "list[Result]":
    from harness.cli.judging_reporter import JudgingReporter
    from harness.comparison.runs import run_folders
    from harness.config.judging import load
    from harness.judges.folder import Unheard
    from harness.report.write import write_report
    from harness.runs.judging import judge_folders, prepared_judge

    config = load(overrides, Path(config_dir) if config_dir else None)
    listener = Unheard() if quiet else JudgingReporter()
    results, interrupted = judge_folders(run_folders(path), prepared_judge(config), listener, rescore=rescore)
    for result in results:
        write_report(result.folder)
    if interrupted is not None:
        raise KeyboardInterrupt
    return results


def _reporter(quiet: bool) -> "Reporter":
    if quiet:
        from harness.runs.reporter import Silent

        return Silent()
    from harness.cli.reporter import TerminalReporter

    return TerminalReporter()


def _folder(run: "Run | Sweep | Path | str") -> Path:
    """The folder of a run or a sweep. Raises `ConfigError` for something else, such as a list of runs."""
    path = Path(run) if isinstance(run, str | Path) else getattr(run, "path", None)
    if not isinstance(path, Path):
        raise ConfigError(f"run: found {type(run).__name__} {run!r:.60}; expected a Run, a Sweep or a folder")
    return path


def _refuse_unused(path: Path, offer: "Offer") -> None:
    """Raise `ConfigError` for a function whose role is not played by a function in the run that is resumed."""
    from harness.store.records import read_record

    config = read_record(path).config if offer.names else {}
    for role in offer.names:
        kind = ((config.get(role) or {}).get("engine") or {}).get("kind")
        if kind != "callable":
            raise ConfigError(
                f"{role}: a function has no effect here: this run's {role} has engine={kind}; leave it out"
            )


def _overrides(settings: Sequence[str | Mapping[str, Any]], more: Mapping[str, Any]) -> list[str]:
    """Everything as `KEY=VALUE` texts, in the order in which it was given; later ones win."""
    from harness.config.written import written

    lines: list[str] = []
    for given in (*settings, more):
        if isinstance(given, str):
            lines.append(given)
        elif not isinstance(given, Mapping):
            raise ConfigError(f"settings: found {type(given).__name__} {given!r:.60}; expected KEY=VALUE or a dict")
        else:
            for key, value in given.items():
                _refuse_several(key, value)
                lines += written(key, value)
    return lines


def _refuse_several(key: str, value: object) -> None:
    """Raise `ConfigError` for a list where one preset is chosen: Hydra would merge them, and the last one would win."""
    chooses = str(key).rpartition(".")[2] in ("therapist", "patient", "model", "engine", "context", "guard", "judge")
    if chooses and isinstance(value, list | tuple | set | frozenset):
        sweep = f"{key}={','.join(map(str, value))}"
        raise ConfigError(
            f"{key}: found {type(value).__name__} {value!r:.60}; expected one name (a sweep takes {sweep!r})"
        )


def _speaking(speakers: Mapping[str, str | Speaking | None], offer: "Offer") -> Iterator[str]:
    """The settings that choose the speakers: presets by name, and functions."""
    from harness.config.written import value_written

    for role, speaker in speakers.items():
        if isinstance(speaker, str):
            yield f"{role}={speaker}"
        elif role in offer.names:
            yield f"{role}.model=remote"
            yield f"{role}.engine.kind=callable"
            yield f"{role}.engine.model={value_written(offer.names[role])}"


def _offer(functions: Mapping[str, Speaking | None]) -> "Offer":
    from harness.engines.callable.offer import Offer

    return Offer(functions)
