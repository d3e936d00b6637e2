"""Test whether a therapist can gain the patients' trust without listening, compared with good scripts.

  python -m harness audit patient
  python -m harness audit patient --personas two-cups night-guard-talks --exchanges 25 --json
  python -m harness audit patient --dir my_personas --personas my-patient
  python -m harness audit patient --policies tricks.json
  python -m harness audit patient --search 2000

No model is loaded: patients speak by rules from their persona, and appraise as in a run with patient.state=rules. A file
of policies maps names to {"lines": [...]}, which are said one after another, or to {"mirror": true, "suffix": "..."},
which repeats the patient's turn.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import numbers, startup
from harness.text.visible import say, to_json

if TYPE_CHECKING:
    from harness.audit.search import Found
    from harness.personas.schema import Persona


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["patient"], help="what is audited")
    parser.add_argument("--personas", nargs="+", default=["all"], metavar="ID", help="which patients; default: all")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="your own personas, looked up before the library")
    parser.add_argument(
        "--policies", type=Path, metavar="FILE", help="your own policies, instead of those of the harness"
    )
    parser.add_argument(
        "--exchanges", type=_exchanges, default=20, metavar="N", help="exchanges per session; default: 20"
    )
    parser.add_argument(
        "--search",
        type=_trials,
        metavar="TRIALS",
        help="also search for the most successful text for each group of patients",
    )
    parser.add_argument("--seed", type=numbers.seed, default=0, metavar="N", help="seed of the search; default: 0")
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Raises `ConfigError`, `PersonaError` or `TranscriptError`."""
    startup.announce("reading the patients")
    from harness.audit.audit import audit, reference
    from harness.audit.policies import fixed_policies, read_policies
    from harness.audit.search import groups, search
    from harness.audit.written import written_sessions

    policies = read_policies(args.policies) if args.policies else fixed_policies()
    personas = _personas(args)
    scripts = [session for session in written_sessions() if session.quality == "good"]
    good = reference(_written_for(personas, scripts), scripts)
    earned = audit(personas, policies, args.exchanges)
    result: dict[str, Any] = {
        "personas": [persona.id for persona in personas],
        "exchanges": args.exchanges,
        "reference": good.to_dict(),
        "policies": {name: one.to_dict() for name, one in earned.items()},
    }
    if args.search:
        lines = _lines_for_others(personas, scripts)
        found = [
            search(name, group, trials=args.search, seed=args.seed, exchanges=args.exchanges, lines=lines)
            for name, group in groups(personas).items()
        ]
        result["search"] = {one.group: _searched(one) for one in found}
    say(to_json(result, indent=1) if args.json else _table(result))
    return 0


def _exchanges(text: str) -> int:
    return numbers.bounded(text, 1, 500)


def _trials(text: str) -> int:
    return numbers.bounded(text, 1, 1_000_000)


def _personas(args: argparse.Namespace) -> "list[Persona]":
    from harness.paths import persona_dir
    from harness.personas.library import load

    ids = [name for entry in args.personas for name in entry.split(",") if name]
    return load("all" if ids == ["all"] else ids, [*([args.dir] if args.dir else []), persona_dir()])


def _written_for(personas: "Sequence[Persona]", scripts: Sequence[Any]) -> "dict[str, Persona]":
    """The patients with whom the scripts are played: the requested ones, or all with a script if none of these has one."""
    from harness.paths import persona_dir
    from harness.personas.library import load

    asked = {persona.id: persona for persona in personas if any(script.persona == persona.id for script in scripts)}
    if asked:
        return asked
    ids = sorted({script.persona for script in scripts})
    return {persona.id: persona for persona in load(ids, [persona_dir()])}


def _lines_for_others(personas: "Sequence[Persona]", scripts: Sequence[Any]) -> list[str]:
    """Good lines written for patients that were not requested; if all were requested, all good lines."""
    asked = {persona.id for persona in personas}
    others = [script for script in scripts if script.persona not in asked] or list(scripts)
    return [line for script in others for line in script.therapist]


def _searched(found: "Found") -> dict[str, Any]:
    return {
        **found.earned.to_dict(),
        "trials": found.trials,
        "best": found.best.shown(),
        "curve": [list(point) for point in found.curve],
    }


def _table(result: dict[str, Any]) -> str:
    good = result["reference"]
    rows = [("good scripts", good), *sorted(result["policies"].items(), key=lambda row: -row[1]["trust_change"])]
    rows += [(f"best text, {name} patients", row) for name, row in result.get("search", {}).items()]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'therapist':<{width}}  trust change  of good scripts  layers told"]
    for name, row in rows:
        share = row["trust_change"] / good["trust_change"] if good["trust_change"] else float("nan")
        lines.append(f"{name:<{width}}  {row['trust_change']:>+12.3f}  {share:>15.0%}  {row['layers_told']:>11.0%}")
    for name, row in result.get("search", {}).items():
        lines += ["", f"Best text for {name} patients, after {row['trials']} trials:", *(f"  {x}" for x in row["best"])]
    return "\n".join(lines)
