"""Plug-ins: engines, context policies, metrics, exporters, trackers, and folders of config, added without a fork.

A plug-in is a Python module. It is found through the entry-point group `harness.plugins` of an installed package, or by
name through `plugins=[module,...]`, and registers its items with the decorators of `harness`. Our own items register in
the same way: a registry knows the module of each and imports it on first use.

Invariants:
- A name can be registered once, so that nothing is replaced by accident.
- A mistake of a plug-in while it registers becomes one `ConfigError` line that names its module.
- A module that fails to be imported leaves nothing registered, so that it can be imported again when it is mended.
"""

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

from harness.errors import ConfigError, HarnessError, did_you_mean, first_line, some_of
from harness.paths import working_dir
from harness.reading.files import sha256_of

GROUP = "harness.plugins"
"""Entry-point group of installed packages."""
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plugin:
    """The origin of an item of a plug-in; recorded in run.json."""

    kind: str
    """`engine`, `context policy`, `metric`, `exporter`, `tracker` or `folder`."""
    name: str
    module: str
    distribution: str | None
    """Name and version of the installed package; None for a module outside of packages."""
    sha256: str | None
    """SHA-256 of the module's file, or of all files of a folder; None if there is no file."""


class Registry(Generic[T]):
    """The items of one kind, by name."""

    def __init__(self, kind: str, ours: Mapping[str, str] | None = None) -> None:
        """`ours` maps the names of our own items to the modules that register them."""
        self.kind = kind
        self._ours = dict(ours or {})
        self._items: dict[str, T] = {}
        self._plugins: dict[str, Plugin] = {}

    def add(self, name: str, item: T, source: object) -> None:
        """Register an item; `source` is the class or function it was made from. Raises `ConfigError`."""
        module = getattr(source, "__module__", "?")
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"plugin {module}: {self.kind} {name!r}: expected a lower-case name, as my_{self.kind[:6]}"
            )
        own = module.startswith("harness.")
        if name in self._items or (name in self._ours and not own):
            there = self._plugins[name].module if name in self._plugins else "the harness"
            raise ConfigError(f"plugin {module}: {self.kind} {name!r}: {there} has one of that name; choose another")
        self._items[name] = item
        if not own:
            self._plugins[name] = Plugin(self.kind, name, module, _distribution(module), _file_hash(source))

    def get(self, name: str) -> T:
        """The item with this name. Raises `ConfigError`, which lists the known names."""
        if name not in self._items and name in self._ours:
            importlib.import_module(self._ours[name])
        if name not in self._items:
            known = self.names()
            raise ConfigError(
                f"{self.kind} {name!r}: unknown{did_you_mean(name, known)}; expected one of {some_of(known, name)}"
            )
        return self._items[name]

    def names(self) -> list[str]:
        """All names, our own first."""
        return [*self._ours, *(name for name in self._items if name not in self._ours)]

    def ours(self) -> tuple[str, ...]:
        """The names of our own items, in order."""
        return tuple(self._ours)

    def added(self) -> dict[str, T]:
        """The items of plug-ins."""
        return {name: self._items[name] for name in self._plugins}

    def plugins(self) -> tuple[Plugin, ...]:
        """The origins of these items."""
        return tuple(self._plugins.values())

    def forget(self, name: str) -> None:
        """Remove an item of a plug-in; for items that are used only in a test or in a notebook cell."""
        self._plugins.pop(name)
        self._items.pop(name)


ENGINES: Registry[Any] = Registry(
    "engine",
    {
        "vllm": "harness.engines.vllm.engine",
        "openai": "harness.engines.openai.engine",
        "transformers": "harness.engines.transformers.engine",
        "dry": "harness.engines.dry.engine",
        "callable": "harness.engines.callable.engine",
        "scripted": "harness.judges.scripted",
    },
)
POLICIES: Registry[Any] = Registry(
    "context policy", dict.fromkeys(("truncate", "summarize", "hybrid", "none"), "harness.context.policies")
)
METRICS: Registry[Any] = Registry(
    "metric",
    {
        "retention.share": "harness.metrics.retention",
        "therapist.repeating_turns": "harness.metrics.speech",
        "therapist.repetition": "harness.metrics.repetition",
        "therapist.worn_out_share": "harness.metrics.repetition",
        "patient.repeating_turns": "harness.metrics.speech",
        "guard.role_break.turns": "harness.metrics.session",
        "therapist.echo": "harness.metrics.echo",
        "therapist.question_rate": "harness.metrics.speech",
        "therapist.reflection_rate": "harness.metrics.conduct",
        "therapist.reflection_share": "harness.metrics.conduct",
        "therapist.input_share": "harness.metrics.conduct",
        "therapist.words_per_turn": "harness.metrics.speech",
        "course.state.trust.change": "harness.metrics.course",
        "course.state.hope.change": "harness.metrics.course",
        "exchanges": "harness.metrics.session",
        "usage.cached_share": "harness.metrics.usage",
        "usage.prefill_per_generated": "harness.metrics.usage",
    },
)
"""Names of our own items, in the order in which they are shown."""
EXPORTERS: Registry[Any] = Registry(
    "exporter",
    {
        "sft": "harness.exports.sft",
        "dpo": "harness.exports.dpo",
        "kto": "harness.exports.sft",
        "messages": "harness.exports.chats",
        "sharegpt": "harness.exports.chats",
        "parquet": "harness.exports.tables",
        "inspect": "harness.exports.inspect_logs",
    },
)
TRACKERS: Registry[Any] = Registry("tracker")
REGISTRIES: tuple[Registry[Any], ...] = (ENGINES, POLICIES, METRICS, EXPORTERS, TRACKERS)

_folders: dict[Path, Plugin] = {}


def add_folder(path: Path | str) -> None:
    """Register a folder with config groups (`therapist/`, `model/`, ...), `prompts/`, `personas/` or `rubrics/` of its own.

    Its files are added to ours and never replace them. Raises `ConfigError` if `path` is not a folder.
    """
    folder = Path(path).resolve()
    frame = inspect.currentframe()
    caller = str(frame.f_back.f_globals.get("__name__", "?")) if frame and frame.f_back else "?"
    if not folder.is_dir():
        raise ConfigError(f"plugin {caller}: no folder at {folder}")
    _folders[folder] = Plugin("folder", folder.name, caller, _distribution(caller), _folder_hash(folder))


def folders() -> tuple[Path, ...]:
    """The folders of plug-ins, in the order of registration."""
    return tuple(_folders)


def load_plugins(modules: Sequence[str] = ()) -> None:
    """Import the installed plug-ins, then those named. Raises `ConfigError`."""
    _load_installed()
    for module in modules:
        if not _MODULE.fullmatch(module):
            raise ConfigError(f"plugins: {module!r}: expected the name of a Python module, as my_package.my_module")
        _imported(module, f"plugins: {module}")


@contextmanager
def blamed(named: str, kind: type[HarnessError]) -> Iterator[None]:
    """Within the block, what a plug-in's code raises becomes a `kind` of one line that begins with `named`."""
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in's code may raise anything
        raise kind(f"{named}: {type(error).__name__}: {first_line(error)}") from error


def named(kind: str, name: str, source: object) -> str:
    """An item of a plug-in in a message; `source` is the class or function it was made from."""
    return f"{kind} {name} (plug-in {getattr(source, '__module__', '?')})"


def recorded() -> tuple[Plugin, ...]:
    """The origins of all items of plug-ins, for run.json."""
    return (*(plugin for registry in REGISTRIES for plugin in registry.plugins()), *_folders.values())


@cache
def _load_installed() -> None:
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        package = entry.dist.name if entry.dist else "?"
        _imported(entry.module, f"plugin {entry.name} of the package {package}")


def _imported(module: str, named: str) -> None:
    here = str(working_dir())
    beside = here not in sys.path and "" not in sys.path
    if beside:  # unlike `python -m harness`, the installed command lacks the working directory in its path
        sys.path.append(here)
    try:
        _import_or_forget(module)
    except ConfigError:
        raise
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise ConfigError(f"{named}: no module {error.name!r}; is it installed, or in this folder?") from error
        raise ConfigError(f"{named}: it needs the module {error.name!r}, which is not installed") from error
    except (Exception, SystemExit) as error:  # a plug-in's code may raise anything, as a script does at its end
        raise ConfigError(f"{named}: can't be imported: {type(error).__name__}: {first_line(error)}") from error
    finally:
        if beside:
            sys.path.remove(here)


def _import_or_forget(module: str) -> None:
    """Import a module. If it breaks, forget what it registered, and so for those that broke with it."""
    try:
        importlib.import_module(module)
    except BaseException:
        for registry in REGISTRIES:
            for plugin in registry.plugins():
                if plugin.module not in sys.modules:
                    registry.forget(plugin.name)
        for folder in [folder for folder, plugin in _folders.items() if plugin.module not in sys.modules]:
            del _folders[folder]
        raise


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _distribution(module: str) -> str | None:
    names = _distributions().get(module.partition(".")[0])
    return f"{names[0]} {metadata.version(names[0])}" if names else None


def _file_hash(source: object) -> str | None:
    try:
        file = inspect.getsourcefile(source)  # type: ignore[arg-type]
    except (TypeError, OSError):  # a class of a notebook has no file
        return None
    return sha256_of(Path(file)) if file and Path(file).is_file() else None


def _folder_hash(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        total.update(file.relative_to(folder).as_posix().encode() + b"\0" + bytes.fromhex(sha256_of(file)))
    return total.hexdigest()
