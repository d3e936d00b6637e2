"""Make a run folder from transcripts of other origin, for metrics, guard, judge, compare and export.

  python -m harness import examples/sessions --format text
  python -m harness import talks.jsonl --format sharegpt --licence CC-BY-4.0 --source "Talks, 2024"
  python -m harness import talks.csv --format csv --licence unknown --source "our clinic's pilot" \\
      --columns session=transcript_id,order=utterance_id,speaker=interlocutor,text=utterance_text \\
      --labels main_therapist_behaviour,client_talk_type --meta mi_quality

A licence and a source are required, on the command line or in the head of the file, and are kept with every session.
Nothing is written unless all files are valid; an invalid file is refused with file, line and reason. docs/import.md
describes the formats.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.text.visible import say

if TYPE_CHECKING:
    from harness.types import Speaker


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, or folders of them")
    parser.add_argument("--format", required=True, choices=["text", "messages", "csv", "sharegpt"])
    parser.add_argument("--licence", metavar="ID", help="licence id, such as CC-BY-4.0, or unknown")
    parser.add_argument("--source", metavar="TEXT", help="where the sessions are from")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder; default: a new one in outputs/")
    parser.add_argument("--name", default="import", help="name of the run; default: import")
    parser.add_argument("--persona", metavar="ID", help="persona of sessions that name none; default: the session's id")
    parser.add_argument("--speakers", metavar="NAME=ROLE,...", help="role of a speaker name: patient or therapist")
    parser.add_argument("--columns", metavar="WHAT=COLUMN,...", help="csv: text, speaker, session, persona, order")
    parser.add_argument("--labels", metavar="COLUMN,...", help="csv: columns to keep as labels of turns, or all")
    parser.add_argument("--meta", metavar="COLUMN,...", help="csv: columns to keep once per session")


def main(args: argparse.Namespace) -> int:
    from harness.errors import ConfigError
    from harness.runs.imports.folder import read_files, write_folder
    from harness.runs.imports.sessions import Layout
    from harness.runs.imports.table import PLACES

    only_csv = [name for name in ("columns", "labels", "meta") if getattr(args, name)]
    if only_csv and args.format != "csv":
        raise ConfigError(f"--{only_csv[0]}: has no effect with --format {args.format}; it is for csv")
    columns = _pairs(args.columns, "--columns", PLACES)
    layout = Layout(_speakers(args.speakers), columns, _words(args.labels), _words(args.meta))
    found = read_files(args.files, args.format, layout, licence=args.licence, source=args.source, persona=args.persona)
    done = write_folder(found, args.format, args.out, args.name)
    say(f"imported {done.sessions} sessions with {done.turns} turns into {done.path}")
    if done.merged:
        say(f"{done.merged} utterances were joined with the same speaker's utterance before them")
    if done.labels:
        say(f"{done.labels} turns and sessions have labels (labels.jsonl)")
    return 0


def _speakers(text: str | None) -> "Mapping[str, Speaker]":
    from harness.errors import ConfigError
    from harness.types import Speaker

    pairs = _pairs(text, "--speakers")
    for name, role in pairs.items():
        if role not in list(Speaker):
            raise ConfigError(f"--speakers: {name}={role}: expected patient or therapist")
    return {name.lower(): Speaker(role) for name, role in pairs.items()}


def _pairs(text: str | None, option: str, known: tuple[str, ...] = ()) -> dict[str, str]:
    from harness.errors import ConfigError, did_you_mean, some_of

    pairs: dict[str, str] = {}
    for part in _words(text):
        name, given, value = part.partition("=")
        if not given or not name.strip() or not value.strip():
            raise ConfigError(f"{option}: {part!r}: expected NAME=VALUE, separated by commas")
        if known and name.strip() not in known:
            raise ConfigError(
                f"{option}: {name.strip()!r}: expected one of {some_of(known, name)}{did_you_mean(name, known)}"
            )
        if name.strip() in pairs:
            raise ConfigError(f"{option}: {name.strip()!r} is given twice")
        pairs[name.strip()] = value.strip()
    return pairs


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())
