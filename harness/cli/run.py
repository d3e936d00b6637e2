"""Play sessions: every persona, as often as asked, talks with the therapist.

Settings are given as KEY=VALUE, in any order:

  python -m harness run                                   one session with the small model, on any machine
  python -m harness run experiment=smoke                  a worked example from conf/experiment/
  python -m harness run model=llama-3.1-8b personas=all sessions_per_persona=4
  python -m harness run patient.engine=openai patient.engine.base_url=http://127.0.0.1:8000/v1
  python -m harness run -m therapist=act,bare seed=0,1    a sweep: every combination

Groups (choose one of the files in conf/GROUP):
{groups}

Often set:
  personas=[a,b]|all  personas.sample=N  personas.sample_seed=N  sessions_per_persona=N
  max_exchanges=N  course.sessions=N  seed=N  concurrency=auto|N
  run.dir=PATH  run.name=NAME  engine.max_model_len=N  therapist.max_new_tokens=N
  model.path=FOLDER  therapist.model=PRESET  therapist.sampling.temperature=T
  therapist... and patient... set one role only; what a role does not set it inherits.

Exit codes: 0 all sessions finished; 1 some failed (with --strict: or the guard found something); 2 a mistake in the
config or a persona; 3 no engine; 130 interrupted (prints how to resume). Of a sweep: the worst of its points.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.config.schema import RunConfig

from harness.visible import one_line, visible

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from harness.config.compose import groups

    lines = "\n".join(f"  {group}={'|'.join(options)}" for group, options in groups().items())
    parser.description = (__doc__ or "").format(groups=lines)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings; later ones win")
    parser.add_argument("-m", "--multirun", action="store_true", help="a sweep: commas in values make its points")
    parser.add_argument("--strict", action="store_true", help="exit 1 also where the guard found something")
    parser.add_argument("--cfg", choices=["job"], help="print the resolved settings and play nothing")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="your own config files; they come first")


def main(args: argparse.Namespace) -> int:
    from harness.config.compose import load_run

    if args.multirun:
        from harness.cli.reporter import TerminalReporter
        from harness.sweeps.record import read_sweep
        from harness.sweeps.sweep import sweep

        if args.cfg:
            return _print_points(args.overrides, args.config_dir)
        folder, code = sweep(args.overrides, args.config_dir, TerminalReporter)
        return _strict([folder / point.folder for point in read_sweep(folder).points], code) if args.strict else code
    config = load_run(args.overrides, args.config_dir)
    if args.cfg:
        print(_shown(config), end="")
        return 0
    from harness.cli.reporter import TerminalReporter
    from harness.runs.single import execute

    outcome = execute(config, TerminalReporter())
    return _strict([outcome.path], outcome.exit_code) if args.strict else outcome.exit_code


def _findings(run: Path) -> Counter[str]:
    """How often each fault that the guard found stands in a run's sessions, drafts that were not kept left out."""
    from harness.guard.findings import FAULTS
    from harness.store.records import read_sessions

    sessions = read_sessions(run / "sessions.jsonl")
    return Counter(event.kind for session in sessions for event in session.events if event.kind in FAULTS)


def _print_points(overrides: Sequence[str], config_dir: Path | None) -> int:
    """The settings of every point of a sweep as one YAML document each, under its own overrides."""
    from harness.sweeps.expand import expand

    for point in expand(overrides, config_dir):
        print(f"---\n# {' '.join(point.overrides)}\n{_shown(point.config)}", end="")
    return 0


def _shown(config: "RunConfig") -> str:
    import yaml

    return visible(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _strict(run_dirs: Sequence[Path], code: int) -> int:
    """The exit code where findings of the guard count as failures; tells what it found."""
    found = {run: _findings(run) for run in run_dirs if (run / "sessions.jsonl").is_file()}
    for run, kinds in found.items():
        if kinds:
            counts = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
            print(one_line(f"--strict: {run}: {counts}"), file=sys.stderr)
    return max(code, 1) if any(found.values()) else code
