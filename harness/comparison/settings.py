"""Groups runs into the settings to compare, and names each setting by the config keys in which they differ.

Invariants:
- Runs that differ only in which sessions they play (seed, personas) are one setting.
- Two settings never have the same name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from harness.comparison.runs import Measured, Pair, RunData
from harness.config.recorded import read_config
from harness.errors import StorageError
from harness.store.identity import binding, is_data, recorded_contents

_PLAN = frozenset({"seed", "personas", "persona_dir", "sample", "sample_seed", "sessions_per_persona"})
"""Keys that say which sessions are played, not how."""
_ROLES = ("patient", "therapist")
_PRESET = {
    "therapist.name": ("therapist.prompt", "therapist.session_plan"),
    "patient.name": ("patient.prompt", "patient.kind"),
    "course.sessions": ("course.note", "course.note_tokens"),
}
"""Keys whose values come with another key: with a role's name, or with the number of sessions in a course."""
_FIRST = ("name", "policy", "path", "kind")
"""Last parts of the keys that name a setting best, in order of preference."""
_MOST_SHOWN = 5
UNSET = "(not set)"
"""The value shown for a key that a setting does not have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to play the sessions, with the runs that were played so."""

    name: str
    """Short, for tables and sentences: `hybrid` or `act, hybrid`."""
    keys: Mapping[str, Any]
    """Every key in which the settings differ, with its value here."""
    runs: tuple[RunData, ...]
    sessions: Mapping[Pair, Measured]
    """The finished sessions of all its runs."""

    @property
    def described(self) -> str:
        """All keys in which the settings differ: `therapist=act context.policy=hybrid`. Long lists are cut."""
        return " ".join(f"{key_shown(key)}={_shown(_cut(value))}" for key, value in self.keys.items())

    @property
    def failed(self) -> int:
        """The number of sessions that failed."""
        return sum(run.record.totals.failed for run in self.runs)

    @property
    def planned(self) -> int:
        """The number of planned sessions."""
        return sum(run.record.totals.sessions for run in self.runs)


def settings_of(runs: Sequence[RunData]) -> list[Setting]:
    """The settings of the runs, in the order of their first runs."""
    groups: list[tuple[dict[str, Any], list[RunData]]] = []
    hashed = all(run.record.content_hashes for run in runs)
    flats = [_flat(run, hashed) for run in runs]
    _drop_shared_data(flats)
    for run, flat in zip(runs, flats, strict=True):
        alike = [members for known, members in groups if known == flat]
        if alike and not any(member.sessions.keys() & run.sessions.keys() for member in alike[0]):
            alike[0].append(run)
        else:
            groups.append((flat, [run]))
    rows = _with_folders(groups)
    keys = _differing(rows)
    setting_names = names(rows, keys)
    return [
        Setting(
            name=name,
            keys={key: row.get(key, UNSET) for key in keys},
            runs=tuple(members),
            sessions={pair: session for run in members for pair, session in run.sessions.items()},
        )
        for name, row, (_, members) in zip(setting_names, rows, groups, strict=True)
    ]


def confounded(settings: Sequence[Setting]) -> list[list[str]]:
    """Groups of keys that change together, so that a difference can't be attributed to one of them."""
    keys = list(settings[0].keys)
    classes: dict[tuple[int, ...], list[str]] = {}
    for key in keys:
        classes.setdefault(_partition([setting.keys for setting in settings], key), []).append(key)
    return [together for together in classes.values() if len(together) > 1]


def _flat(run: RunData, all_hashed: bool) -> dict[str, Any]:
    """The keys that make a setting: those that can change results, and hashes of the files that they name.

    If not all runs recorded these hashes (version 0.1 did not), only those of the models count.
    """
    flat = {key: value for key, value in binding(_config(run)).items() if key.split(".")[0] not in _PLAN}
    flat.setdefault("course.sessions", 1)
    for key, digest in recorded_contents(run.record).items():
        if all_hashed or key.endswith(".model"):
            flat[f"{key}.sha256"] = digest[:19] if digest.startswith("commit:") else digest[:12]
    return flat


def _drop_shared_data(flats: Sequence[dict[str, Any]]) -> None:
    """Remove the harness's own data files of which all users had the same content.

    Which of them a run uses depends on the languages of its personas, which is no part of the setting.
    """
    keys = {key for flat in flats for key in flat if is_data(key.removesuffix(".sha256"))}
    for key in keys:
        if len({flat[key] for flat in flats if key in flat}) == 1:
            for flat in flats:
                flat.pop(key, None)


def _config(run: RunData) -> Mapping[str, Any]:
    """The config of a run, with defaults for keys added since; as recorded if today's harness can't read it."""
    try:
        return read_config(run.record.config, run.path)[0].model_dump(mode="json")
    except StorageError:
        return run.record.config


def _with_folders(groups: Sequence[tuple[dict[str, Any], list[RunData]]]) -> list[dict[str, Any]]:
    """The keys of each group; also its folder, as `run`, if two groups have the same keys."""
    flats = [flat for flat, _ in groups]
    if all(flats.count(flat) == 1 for flat in flats):
        return [dict(flat) for flat in flats]
    folders = [members[0].path for _, members in groups]
    unique = len({folder.name for folder in folders}) == len(folders)
    return [
        {**flat, "run": folder.name if unique else str(folder)} for flat, folder in zip(flats, folders, strict=True)
    ]


def _differing(rows: list[dict[str, Any]]) -> list[str]:
    """The keys in which the rows differ, those that name a setting best first.

    If `patient.K` and `therapist.K` always agree, one key `K` replaces them; it is added to `rows`.
    """
    keys = sorted({key for row in rows for key in row if len({text(other.get(key, UNSET)) for other in rows}) > 1})
    # Whether a template is used depends on another key: that of the note on the context policy.
    keys = [key for key in keys if not key.startswith("template.") or len({text(r[key]) for r in rows if key in r}) > 1]
    for key in [key for key in keys if key.startswith("patient.")]:
        shared = key.removeprefix("patient.")
        twins = [f"{role}.{shared}" for role in _ROLES]
        if "." in shared and all(text(row.get(twins[0], UNSET)) == text(row.get(twins[1], UNSET)) for row in rows):
            keys = [other for other in keys if other not in twins] + [shared]
            for row in rows:
                row[shared] = row.get(key, UNSET)
    keys.sort(key=lambda key: (_rank(key), key))
    return [key for key in keys if not _comes_with(key, keys, rows)]


def _rank(key: str) -> int:
    """Its position among the keys that name a setting best; others come last."""
    last = key.split(".")[-1]
    return _FIRST.index(last) if last in _FIRST else len(_FIRST)


def _comes_with(key: str, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether this key only follows a preset: one that sets it, and that differs between the same rows."""
    presets = [name for name, brings in _PRESET.items() if key in brings]
    parent, _, last = key.rpartition(".")
    if parent.endswith("model") and last != "path":
        presets.append(f"{parent}.path")
    if last == "sha256":
        presets += [parent, *(name for name, brings in _PRESET.items() if parent in brings)]
    return any(preset in keys and _partition(rows, preset) == _partition(rows, key) for preset in presets)


def _partition(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[int, ...]:
    """A number for each row, equal for rows with the same value. Keys that change together have equal results."""
    seen: dict[str, int] = {}
    return tuple(seen.setdefault(text(row.get(key, UNSET)), len(seen)) for row in rows)


def names(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """A short name for each row: its values of `keys`, without keys that change together with an earlier one.

    A value that is no word, such as a number, is shown with its key. If two names would be equal, all values are shown
    with their full keys.
    """
    needed: list[str] = []
    seen: set[tuple[int, ...]] = set()
    for key in keys:
        partition = _partition(rows, key)
        if partition not in seen:
            seen.add(partition)
            needed.append(key)
    short = [", ".join(_value_shown(key, row.get(key, UNSET)) for key in needed) for row in rows]
    if len(set(short)) == len(short):
        return short
    return [", ".join(f"{key_shown(key)}={_shown(row.get(key, UNSET))}" for key in needed) for row in rows]


def _value_shown(key: str, value: object) -> str:
    """The value alone if it is a word; a number, a switch or an empty value with its key."""
    if isinstance(value, str) and value and value != UNSET and not key.endswith(".sha256"):
        return Path(value).name or value
    if key == "import.files" and isinstance(value, list) and value:
        folders = {Path(str(file)).parent for file in value}
        if len(value) == 1:
            return Path(str(value[0])).stem
        if len(folders) == 1 and (folder := folders.pop().name):
            return folder
    return f"{key_shown(key).removesuffix('.sha256').split('.')[-1]}={_shown(value)}"


def key_shown(key: str) -> str:
    """The key as users write it: `therapist` for `therapist.name`."""
    return key.removesuffix(".name")


def _cut(value: object) -> object:
    """A long list as its first values and the number of the others: an import may name a thousand files."""
    if isinstance(value, list) and len(value) > _MOST_SHOWN:
        return [*value[:_MOST_SHOWN], f"and {len(value) - _MOST_SHOWN} more"]
    return value


def _shown(value: object) -> str:
    return value if isinstance(value, str) else text(value)


def text(value: object) -> str:
    """The value as JSON; equal values have equal texts."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
