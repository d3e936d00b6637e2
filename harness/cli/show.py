"""Print the exact prompt of a turn, rebuilt from the journal.

  python -m harness show outputs/latest skeptical-bullied-overwhelmed-000 --turn 3

The text is the prompt as rendered by the model's chat template. Tokenized without added special tokens, it has the
recorded number of tokens, which this command checks. A server that got messages may have counted differently.
Control characters are escaped, as \\x1b; --json prints the text unchanged.
"""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run")
    parser.add_argument("session_id", metavar="SESSION_ID")
    parser.add_argument("--turn", type=int, required=True, metavar="N", help="index of the turn, from 0")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--ids", action="store_true", help="print the token ids instead of the text")
    form.add_argument("--json", action="store_true", help="print text, ids, messages and the recorded count as JSON")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")


def main(args: argparse.Namespace) -> int:
    from harness.cli.run_folder import one_run
    from harness.store.archive import Archive
    from harness.text.visible import say, to_json, visible

    archive = Archive(one_run(args.run_dir), trusted=args.trust_remote_code)
    rebuilt = archive.prompt(archive.session(args.session_id), args.turn)
    recorded, counted = rebuilt.turn.prompt_tokens, len(rebuilt.ids)
    if args.json:
        answer = {
            "session_id": args.session_id,
            "turn": args.turn,
            "speaker": rebuilt.turn.speaker,
            "prompt_tokens": recorded,
            "prompt": rebuilt.text,
            "ids": list(rebuilt.ids),
            "messages": [{"role": message.role, "content": message.content} for message in rebuilt.messages],
        }
        say(to_json(answer))
    elif args.ids:
        say(" ".join(map(str, rebuilt.ids)))
    else:
        say(visible(rebuilt.text))
    engine = archive.record.engines.get(rebuilt.turn.speaker)
    if counted != recorded and engine is not None and not engine.counts_as_we_do:
        say(f"note: {counted} tokens by the local tokenizer; the server counted {recorded}", file=sys.stderr)
    elif counted != recorded:
        say(f"error: {counted} tokens by the local tokenizer, {recorded} recorded", file=sys.stderr)
        return 1
    return 0
