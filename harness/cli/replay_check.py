"""Generate a sample of a run's turns again on the run's engine, and count how many are the same.

  python -m harness replay-check outputs/latest --turns 50

A request has the same prompt (as `python -m harness show` prints it), seed, sampling and draft. `dry`, and
`transformers` with engine.max_batch=1, repeat all turns; docs/reproducibility.md says what to expect of other engines.
For turns that differ, the first different character is printed. In the run folder, only the engine's log changes.

Exit codes: 0 whatever the result; 2 the run can't be repeated; 3 no engine.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import startup
from harness.cli.run_folder import one_run
from harness.text.visible import say, to_json, visible

if TYPE_CHECKING:
    from harness.runs.replay_check import Repeated

SHOWN = 60
"""Characters of both texts that are printed, from the first difference on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("--turns", type=_positive, default=20, metavar="N", help="largest number of turns; default: 20")
    parser.add_argument("--json", action="store_true", help="print the result, both texts included, as JSON")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")
    parser.add_argument("--trust-server", action="store_true", help="send the run's server the key that the run names")


def main(args: argparse.Namespace) -> int:
    startup.announce("reading the run")
    from harness.cli.reporter import TerminalReporter
    from harness.runs.replay_check import repeat

    reporter = TerminalReporter()
    asked = repeat(
        one_run(args.run_dir),
        args.turns,
        listener=reporter.notice,
        starting=reporter.starting,
        trusted=args.trust_remote_code,
        server_trusted=args.trust_server,
    )
    repeated = asyncio.run(asked)
    say(to_json(_as_json(args.run_dir, repeated)) if args.json else visible(_as_text(repeated)))
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


def _as_json(path: Path, repeated: Sequence["Repeated"]) -> dict[str, object]:
    turns = [
        {
            "session_id": one.session_id,
            "turn": one.turn,
            "speaker": one.speaker,
            "same": one.same,
            "parts_at": one.parts_at,
            "recorded": one.recorded,
            "again": one.again,
        }
        for one in repeated
    ]
    return {"run": str(path), "repeated": len(repeated), "same": sum(one.same for one in repeated), "turns": turns}


def _as_text(repeated: Sequence["Repeated"]) -> str:
    lines = []
    for one in repeated:
        if one.parts_at is not None:
            where = f"{one.session_id} turn {one.turn} ({one.speaker})"
            lines.append(f"{where}: differs from character {one.parts_at} of {len(one.recorded)}")
            lines += [f"    {text[one.parts_at :][:SHOWN]!r}" for text in (one.recorded, one.again)]
    same = sum(one.same for one in repeated)
    lines.append(f"{same} of {len(repeated)} turns are the same ({same / len(repeated):.0%})")
    return "\n".join(lines)
