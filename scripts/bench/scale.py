#!/usr/bin/env python
"""Sessions per second of two replicas compared with one, on the dry engine, whose latency is the limit.

Both runs go through `python -m harness run executor=ray`; the time counted is that from the first to the last line of the
journal, so the start of Ray and of the engines is left out. Exit code 1 if two replicas are less than 1.9 times as fast.

    python scripts/bench/scale.py [--sessions 48] [--concurrency 4] [--repeat 3] [--model FOLDER]
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.store.journal import read_journal
from tests.fixtures.processes import harness

WANTED = 1.9
LATENCY_S = 0.05
EXCHANGES = 10


def rate(folder: Path, replicas: int, options: argparse.Namespace) -> float:
    """Play the run and return its sessions per second, start-up left out."""
    done = harness(
        *("run", "engine=dry", f"engine.latency_s={LATENCY_S}", f"model.path={options.model}", f"run.dir={folder}"),
        *("executor=ray", f"executor.replicas={replicas}", f"concurrency={options.concurrency}"),
        *("personas=[two-cups,left-in-march]", f"sessions_per_persona={options.sessions // 2}", "min_exchanges=99"),
        *(f"max_exchanges={EXCHANGES}", "therapist.max_new_tokens=32", "patient.max_new_tokens=32", "guard=off"),
        timeout_s=600,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    times = [event["time"] for _, event in read_journal(folder) if event["event"] in ("session_started", "stopped")]
    return float(options.sessions / (max(times) - min(times)))


def main(options: argparse.Namespace) -> int:
    turns = 2 * EXCHANGES
    ratios = []
    ideal = options.concurrency / (turns * LATENCY_S)
    print(
        f"{options.sessions} sessions of {turns} turns, {LATENCY_S * 1000:.0f} ms per turn, {options.concurrency} in flight"
    )
    print(f"on each replica; the latency allows {ideal:.2f} sessions/s per replica")
    with tempfile.TemporaryDirectory() as parent:
        for number in range(options.repeat):
            one, two = (rate(Path(parent, f"{number}-{replicas}"), replicas, options) for replicas in (1, 2))
            ratios.append(two / one)
            print(f"one replica {one:.2f} sessions/s, two {two:.2f}: {two / one:.2f} times", flush=True)
    middle = statistics.median(ratios)
    print(f"two replicas are {middle:.2f} times as fast (median of {options.repeat}; bound: at least {WANTED})")
    return 0 if middle >= WANTED else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=48)
    parser.add_argument("--concurrency", type=int, default=4, help="sessions in flight on each replica")
    parser.add_argument("--repeat", type=int, default=1, help="pairs of runs; the median ratio counts")
    parser.add_argument("--model", default="smollm2-135m", help="a tokenizer: a folder or a known name")
    sys.exit(main(parser.parse_args()))
