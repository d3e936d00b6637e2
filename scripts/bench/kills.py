#!/usr/bin/env python
"""A dry run killed with SIGKILL at fifty random moments and resumed each time, compared with an uninterrupted run.

Prints whether all sessions are the same (except for order and timings). Exit code 1 if one is not, or if fewer kills happened.

    python scripts/bench/kills.py [--kills 50] [--seed N] [--context hybrid] [--model FOLDER]
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fixtures.processes import comparable, count_turns, harness, killed

PERSONAS = "personas=[skeptical-bullied-overwhelmed,left-in-march,two-cups]"


def main(options: argparse.Namespace) -> int:
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        plain, torn = Path(folder, "plain"), Path(folder, "torn")
        settings = (
            *("engine=dry", f"model.path={options.model}", f"context={options.context}", PERSONAS),
            *("sessions_per_persona=16", "max_exchanges=25", "engine.max_model_len=1400", "concurrency=6"),
            *("therapist.max_new_tokens=128", "patient.max_new_tokens=128", "context.note_tokens=96"),
            *("guard.echo_share=0.05", "guard.repeat_share=0.25", "engine.latency_s=0.03"),
        )
        harness("run", *settings, f"run.dir={plain}", "engine.latency_s=0")
        began, kills = time.monotonic(), 0
        while kills < options.kills:
            started = (torn / "run.json").exists()
            words = ("resume", str(torn)) if started else ("run", *settings, f"run.dir={torn}")
            if killed(torn, words, draw):
                print("the run ended before it was killed often enough")
                break
            kills += 1
            print(f"\r{kills} kills, {count_turns(torn)} turns", end="", flush=True)
        harness("resume", str(torn))
        same = comparable(torn) == comparable(plain)
        print(f"\nseed {options.seed}: {kills} kills in {time.monotonic() - began:.0f} s, {count_turns(torn)} turns")
        print(
            f"{len(comparable(torn))} sessions: {'the same as' if same else 'NOT the same as'} the uninterrupted run's"
        )
    return 0 if same and kills == options.kills else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--context", default="hybrid", choices=["truncate", "summarize", "hybrid"])
    parser.add_argument("--model", default="smollm2-135m", help="a tokenizer: a folder or a known name")
    sys.exit(main(parser.parse_args()))
