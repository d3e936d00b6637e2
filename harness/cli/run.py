"""Play sessions between simulated patients (personas) and a therapist.

Settings are given as KEY=VALUE, in any order:

  python -m harness run                        one session, on any machine
  python -m harness run experiment=smoke       an example of conf/experiment/
  python -m harness run model=llama-3.1-8b personas=all sessions_per_persona=4
  python -m harness run patient.engine=openai \\
      patient.engine.base_url=http://127.0.0.1:8000/v1
  python -m harness run -m therapist=act,bare seed=0,1   a sweep

Groups (choose one of the files in conf/GROUP):
{groups}

Frequent settings:
  personas=[a,b]|all  personas.sample=N  personas.sample_seed=N
  sessions_per_persona=N  max_exchanges=N  course.sessions=N  seed=N
  concurrency=auto|N  run.dir=PATH  run.name=NAME
  engine.max_model_len=N  therapist.max_new_tokens=N
  model.path=FOLDER  therapist.model=PRESET  therapist.sampling.temperature=T
  therapist... and patient... set one role only; other keys are inherited.

Exit codes: 0 all sessions finished; 1 some failed (with --strict: or the guard
found something); 2 a mistake in the config or a persona; 3 no engine;
130 interrupted (prints how to resume). A sweep has the worst of its points.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, HarnessError
from harness.text.visible import one_line, say, to_json, visible

if TYPE_CHECKING:
    from harness.config.schema import RunConfig
    from harness.runs.reporter import Reporter

INTERMIXED = True


def description() -> str:
    """The help text, with the groups of settings and their choices."""
    from harness.config.compose import groups

    return (__doc__ or "").format(groups="\n".join(_wrapped(group, names) for group, names in groups().items()))


def _wrapped(group: str, names: Sequence[str]) -> str:
    """The choices of a group, on lines of at most 80 columns."""
    import textwrap

    text = f"{group}={' | '.join(names)}"
    return textwrap.fill(text, 80, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from harness.cli.completion import complete_settings

    settings = parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings; later ones win")
    settings.completer = complete_settings  # type: ignore[attr-defined] # what argcomplete asks for
    parser.add_argument("-m", "--multirun", action="store_true", help="a sweep: commas in values make its points")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also if the guard found something")
    parser.add_argument("--dry-run", action="store_true", help="check everything, and play nothing")
    parser.add_argument("--all", action="store_true", help="with engine=dry: show the fit of prompts for every persona")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="print only what fails, and the folder on stdout")
    parser.add_argument("--cfg", choices=["job"], help="print the resolved settings and play nothing")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="your own config files; they come first")


def main(args: argparse.Namespace) -> int:
    try:
        _refuse_without_effect(args)
        if not (args.quiet or args.cfg):
            from harness.cli import startup

            startup.announce()
        if args.cfg:
            return _show_settings(args)
        return _check(args) if args.dry_run else _play(args)
    except HarnessError as error:
        if args.json:
            say(to_json({"exit_code": error.exit_code, "errors": list(error.lines)}))
        raise


def _refuse_without_effect(args: argparse.Namespace) -> None:
    """Raise `ConfigError` if an option would have no effect."""
    clashes = {
        "--cfg": (args.cfg, ("strict", "dry_run", "all", "json", "quiet")),
        "--dry-run": (args.dry_run, ("strict", "all")),
        "--multirun": (args.multirun, ("all",)),
        "--quiet": (args.quiet, ("all",)),
    }
    lines = [
        f"command line: --{other.replace('_', '-')} has no effect with {option}; leave one of them out"
        for option, (given, others) in clashes.items()
        if given
        for other in others
        if getattr(args, other)
    ]
    if lines:
        raise ConfigError(*lines)


def _show_settings(args: argparse.Namespace) -> int:
    if args.multirun:
        from harness.sweeps.expand import expand

        for point in expand(args.overrides, args.config_dir):
            say(f"---\n# {' '.join(point.overrides)}\n{_shown(point.config)}", end="")
        return 0
    from harness.config.compose import load_run

    say(_shown(load_run(args.overrides, args.config_dir)), end="")
    return 0


def _shown(config: "RunConfig") -> str:
    import yaml

    return visible(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _check(args: argparse.Namespace) -> int:
    from harness.cli.dry_run import dry_run, lines

    told = dry_run(args.overrides, args.config_dir, multirun=args.multirun)
    if args.json:
        say(to_json(told))
    elif not args.quiet:
        say("\n".join(map(one_line, lines(told))))
    return 0


def _play(args: argparse.Namespace) -> int:
    if args.multirun:
        from harness.sweeps.record import read_sweep
        from harness.sweeps.sweep import sweep

        folder, code = sweep(args.overrides, args.config_dir, lambda: _reporter(args))
        run_dirs = [folder / point.folder for point in read_sweep(folder).points]
    else:
        from harness.config.compose import load_run
        from harness.runs.single import execute

        config = load_run(args.overrides, args.config_dir)
        if args.all and any(role.engine.kind != "dry" for _, role in config.roles()):
            raise ConfigError("command line: --all has an effect only with engine=dry: it shows the whole fit check")
        outcome = execute(config, _reporter(args))
        folder, code, run_dirs = outcome.path, outcome.exit_code, [outcome.path]
    code = _strict(run_dirs, code) if args.strict else code
    if args.json:
        say(to_json(_outcome(folder, code, run_dirs, sweep=args.multirun)))
    elif args.quiet:
        say(one_line(str(folder)))
    return code


def _reporter(args: argparse.Namespace) -> "Reporter":
    from harness.cli.reporter import QuietReporter, TerminalReporter

    return QuietReporter() if args.quiet else TerminalReporter(all_fits=args.all)


def _outcome(folder: Path, code: int, run_dirs: Sequence[Path], *, sweep: bool) -> dict[str, Any]:
    """The outcome of a run, or of each point of a sweep, for JSON."""
    if sweep:
        from harness.sweeps.reader import open_sweep

        return {"path": str(folder), "exit_code": code, "points": list(open_sweep(folder).points())}
    from harness.store.records import read_record

    record = read_record(folder)
    told = {"status": str(record.status), "config_hash": record.config_hash, "totals": record.totals.model_dump()}
    return {"path": str(folder), "exit_code": code, **told, "timings": record.timings}


def _findings(run: Path) -> Counter[str]:
    """Numbers of faults that the guard found in a run's sessions; without those in rejected drafts."""
    from harness.guard.findings import FAULTS
    from harness.store.records import read_sessions

    sessions = read_sessions(run / "sessions.jsonl")
    return Counter(event.kind for session in sessions for event in session.events if event.kind in FAULTS)


def _strict(run_dirs: Sequence[Path], code: int) -> int:
    """The exit code if findings of the guard count as failures; prints the findings."""
    found = {run: _findings(run) for run in run_dirs if (run / "sessions.jsonl").is_file()}
    for run, kinds in found.items():
        if kinds:
            counts = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
            say(one_line(f"--strict: {run}: {counts}"), file=sys.stderr)
    return max(code, 1) if any(found.values()) else code
