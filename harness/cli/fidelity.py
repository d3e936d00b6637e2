"""Compare simulated patients with people, and test whether they distinguish a good therapist from a poor one.

  python -m harness fidelity outputs/my-run
  python -m harness fidelity outputs/sweep-DATE --reference my_transcripts --json
  python -m harness fidelity outputs/good outputs/poor --channel spoken

Patients' turns are compared with a reference profile: people who typed to a counsellor program, clients who spoke
(--channel spoken), or your own transcripts (--reference: text with `Patient:` turns, or run folders). If the same
personas and seeds were played with therapist=poor and with another therapist, their sessions are compared in pairs.
"""

import argparse
from pathlib import Path
from typing import Any

from harness.text.visible import say, to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="run folders, or a sweep folder")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--reference", type=Path, metavar="DIR", help="compare with the transcripts in this folder")
    which.add_argument(
        "--channel", choices=["typed", "spoken"], default="typed", help="which shipped reference; default: typed"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Print the report. Raises `StorageError` or `TranscriptError`."""
    from harness.fidelity.reference import from_transcripts, shipped
    from harness.fidelity.report import fidelity
    from harness.personas.schema import Channel

    reference = from_transcripts(args.reference) if args.reference else shipped(Channel(args.channel))
    result = fidelity(args.folders, reference)
    say(to_json(result, indent=1) if args.json else _text(result))
    return 0


def _text(result: dict[str, Any]) -> str:
    patients, beside = result["patients"], result["beside_reference"]
    lines = [
        f"{patients['sessions']} sessions, {patients['turns']} patient turns; reference: {result['reference']['about']}",
        "",
    ]
    lines.append(f"{'':<28}{'median':>9}{'p10':>9}{'p90':>9}   reference (p10 to p90)")
    rows = {"words in a turn": (patients["words_of_a_turn"], result["reference"].get("words_of_a_turn"))}
    other = result["reference"].get("measures", {})
    rows |= {name.replace("_", " "): (own, other.get(name)) for name, own in patients["measures"].items()}
    for name, (own, reference) in rows.items():
        shown = (
            f"{reference['median']:.3g} ({reference['p10']:.3g} to {reference['p90']:.3g})"
            if reference
            else "not known"
        )
        lines.append(f"{name:<28}{own['median']:>9.3g}{own['p10']:>9.3g}{own['p90']:>9.3g}   {shown}")
    lines += ["", f"words in a turn: Wasserstein distance from the reference {_number(beside['wasserstein_words'])} words; "
              f"variance {_number(beside['variance_ratio'])} times that of the reference"]  # fmt: skip
    for group in ("session", "population"):
        for name, value in patients[group].items():
            value = value["median"] if isinstance(value, dict) else value
            lines.append(f"{name.replace('_', ' ')}: {_number(value)}")
    if result["patient_verdicts"]:
        lines.append("patients: " + ", ".join(f"{n} {verdict}" for verdict, n in result["patient_verdicts"].items()))
    lines.append(_discrimination(result["discrimination"]))
    return "\n".join(lines)


def _discrimination(found: dict[str, Any] | None) -> str:
    if found is None:
        return "discrimination: no pairs; give runs of therapist=poor and of another therapist, with the same personas and seeds"
    interval, verdict = "", "too few pairs to say whether the patients distinguish them; expected six or more"
    if found["low"] is not None:
        interval = f" [{found['low']:+.3f}, {found['high']:+.3f}]"
        verdict = f"the patients {'distinguish' if found['parted'] else 'do not distinguish'} them"
    effect = f", effect size {found['effect']:.2f}" if found["effect"] is not None else ""
    return (
        f"discrimination: change of trust {found['good']:+.3f} with the good therapist, {found['poor']:+.3f} with the poor one; difference "
        f"{found['difference']:+.3f}{interval}{effect}, {found['pairs']} pairs; {verdict}"
    )


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g}"
