"""Checks whether settings can be compared, and collects notes that a reader of the comparison needs.

Invariant: settings that can't be compared are refused with all reasons at once, before anything is computed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from harness.comparison.runs import RunData
from harness.comparison.settings import Setting, confounded
from harness.errors import ComparisonError


def refuse(settings: Sequence[Setting]) -> None:
    """Raises `ComparisonError` with every reason why these settings can't be compared; returns if there is none."""
    reasons = [
        f"{run.path}: no finished session; nothing to compare"
        for setting in settings
        for run in setting.runs
        if not run.sessions
    ]
    reasons += _version_mismatches(settings)
    if len(settings) < 2:
        raise ComparisonError(
            *reasons,
            "one setting only: the runs differ in nothing but seeds and personas; expected at least two settings",
        )
    reasons += _mending_mismatches(settings)
    reasons += _persona_mismatches(settings)
    reasons += _seed_mismatches(settings)
    if reasons:
        raise ComparisonError(*reasons)


def _version_mismatches(settings: Sequence[Setting]) -> Iterator[str]:
    versions: defaultdict[int | None, list[str]] = defaultdict(list)
    for setting in settings:
        for run in setting.runs:
            for version in run.versions:
                versions[version].append(run.path.name)
    if len(versions) > 1 or None in versions:
        found = "; ".join(f"{version or 'none'} in {', '.join(names)}" for version, names in versions.items())
        yield (
            f"metrics_version: {found}; expected the same in all runs; sessions with a newer version, or none, can't "
            "be measured again: play those runs again"
        )


def _mending_mismatches(settings: Sequence[Setting]) -> Iterator[str]:
    """A therapist whose turns the guard mends must not be compared with one whose turns it only records."""
    by_effect: defaultdict[str, list[str]] = defaultdict(list)
    for setting in settings:
        for run in setting.runs:
            guard = run.record.config.get("guard")
            if isinstance(guard, Mapping) and guard.get("enabled", True):
                # Runs made before this key existed mended both speakers.
                effect = "mends" if guard.get("mends", "both") == "both" else "only records"
                by_effect[effect].append(run.path.name)
    if len(by_effect) > 1:
        found = "; ".join(f"{effect} in {listed(names)}" for effect, names in by_effect.items())
        yield f"guard.mends: for the therapist, the guard {found}; expected the same in all runs; play some again"


def _persona_mismatches(settings: Sequence[Setting]) -> Iterator[str]:
    base = settings[0]
    first = _hashes(base)
    for setting in settings[1:]:
        hashes = _hashes(setting)
        if hashes == first:
            continue
        only_one = sorted(hashes.keys() ^ first.keys())
        changed = [name for name in sorted(hashes.keys() & first.keys()) if hashes[name] != first[name]]
        parts = [f"in only one of them: {listed(only_one)}"] if only_one else []
        parts += [f"edited between the runs: {listed(changed)}"] if changed else []
        yield f"personas of `{setting.name}` and `{base.name}` differ ({'; '.join(parts)}); expected the same personas"


def _hashes(setting: Setting) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for run in setting.runs:
        for persona, digest in run.record.persona_hashes.items():
            found[persona].add(digest)
    return {persona: frozenset(digests) for persona, digests in found.items()}


def _seed_mismatches(settings: Sequence[Setting]) -> Iterator[str]:
    base = settings[0]
    for setting in settings[1:]:
        seeds, expected = _seeds_of(setting), _seeds_of(base)
        if seeds != expected:
            yield (
                f"seeds of `{setting.name}` ({listed(seeds)}) and `{base.name}` ({listed(expected)}) differ; "
                "expected the same seeds, so that sessions can be paired"
            )
        elif setting.sessions and base.sessions and not setting.sessions.keys() & base.sessions.keys():
            yield f"`{setting.name}` and `{base.name}` have no finished session of the same persona and seed: no pairs"


def _seeds_of(setting: Setting) -> list[str]:
    return sorted({str(run.record.config.get("seed")) for run in setting.runs})


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first `most` names, and the number of the others."""
    rest = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def notes(settings: Sequence[Setting]) -> Iterator[str]:
    """Notes that a reader needs before the numbers, one sentence each."""
    for together in confounded(settings):
        yield f"{' and '.join(together)} change together: a difference can't be attributed to one of them"
    for setting in settings:
        if setting.failed:
            yield (
                f"{setting.name}: {setting.failed} of {setting.planned} sessions failed and are left out; "
                "if the setting made them fail, this biases its numbers"
            )
        unfinished = setting.planned - setting.failed - len(setting.sessions)
        if unfinished > 0:
            yield f"{setting.name}: {unfinished} of {setting.planned} sessions are not finished"
    if any(_is_dry(run.record.config) for setting in settings for run in setting.runs):
        yield "engine=dry: no model wrote the turns; only lengths and token counts are meaningful"
    commits = {_commit(run) for setting in settings for run in setting.runs}
    if len(commits) > 1:
        yield f"the runs were made by different versions of the harness: {', '.join(sorted(commits))}"


def _is_dry(config: Mapping[str, object]) -> bool:
    """Whether the dry engine made up the turns of a speaker."""
    for role in map(config.get, ("patient", "therapist")):
        engine = role.get("engine") if isinstance(role, Mapping) else None
        if isinstance(engine, Mapping) and engine.get("kind") == "dry":
            return True
    return False


def _commit(run: RunData) -> str:
    provenance = run.record.provenance
    git = f" {provenance.git.commit[:10]}{' (changed)' * provenance.git.dirty}" if provenance.git else ""
    return provenance.harness + git
