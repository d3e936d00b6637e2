#!/usr/bin/env python
"""What the harness itself costs: CPU per turn, memory per session, and time with a fast server. Uses no model.

- CPU: 1,000 `dry` sessions of 20 exchanges at once, everything on (patients with inner state, guard, metrics, journal
  synced to disk); user and system time of all threads from the first session's start to the last one's end, per turn.
  Every 250 turns a fixed piece of pure Python runs (`reference.py`), whose time is subtracted. The bound is on the cost of
  a turn as a multiple of that piece's, which is similar on fast, slow and busy machines.
- Memory: resident memory per session while all of these sessions are live and at their longest; and, in a second run
  with few sessions in flight, the growth per finished session.
- Loop: 50 sessions of 10 exchanges, so 20 calls each, against a loopback OpenAI server that answers after 50 ms. The
  floor is 20 x 50 ms. The guard checks everything but requests no second drafts, which would be additional calls.

    python scripts/bench/overhead.py [--part cpu live finished loop] [--rounds 3] [--sessions 1000] [--json FILE]

Each part runs in a process of its own; the result is the median of the rounds. Exit codes: 0 all bounds held, 1 one was
missed, 3 a part could not be measured.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from machine import FAILED, HELD, MISSED, machine, write
from reference import Reference

from harness.agents.base import Utterance
from harness.cli.reporter import TerminalReporter
from harness.config.compose import load
from harness.engines.dry.phrases import sentences
from harness.runs.single import execute
from harness.types import SessionResult, SessionSpec

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {
    "cpu_references_a_turn": 1.6,  # 0.5 ms where the reference takes 0.31 ms: an idle Intel Xeon
    "kb_a_live_session": 100.0,
    "kb_a_finished_session": 2.0,
    "loop_seconds": 1.2,
}
PERSONAS = "personas=[skeptical-bullied-overwhelmed,left-in-march,two-cups,baker-gone-quiet,bus-driver-panic]"
NUMBER = 5
NO_SECOND_DRAFTS = [f"guard.{kind}=record" for kind in ("loop", "repeat", "stutter", "echo", "role_break", "empty")]
LATENCY_S, CALLS, CONVERSATIONS = 0.05, 20, 50


class Meter(TerminalReporter):
    """Records CPU, time and memory when the sessions begin and as they end."""

    def __init__(self, samples: int = 1, reference: Reference | None = None) -> None:
        super().__init__()
        self.console.quiet = True
        self._samples = samples
        self._reference = reference
        self.most_kb = 0.0
        self.memory: list[tuple[int, float]] = []
        """Number of finished sessions, with the resident KB at that moment."""

    def start(self, sessions: int, done: int = 0, most_turns: int = 0) -> None:
        super().start(sessions, done, most_turns)
        self.sessions = sessions
        self.base_kb = resident_kb()
        self.began, self.began_cpu = time.perf_counter(), time.process_time()

    def turn(self, spec: SessionSpec, utterance: Utterance) -> None:
        super().turn(spec, utterance)
        if self._reference is not None and self.turns % 250 == 0:
            self._reference.run()
        if self.turns % 500 == 0:
            self.most_kb = max(self.most_kb, resident_kb())

    def finished(self, result: SessionResult) -> None:
        super().finished(result)
        self.seconds, self.cpu_s = time.perf_counter() - self.began, time.process_time() - self.began_cpu
        if self.finished_sessions % max(1, self.sessions // self._samples) == 0:
            self.memory.append((self.finished_sessions, resident_kb()))


def resident_kb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def played(meter: Meter, *settings: str) -> Meter:
    """Play one run in a temporary folder; returns the meter."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = execute(load([PERSONAS, *settings, f"run.dir={folder}/run"]), meter)
        if outcome.exit_code:
            sys.exit(f"the run ended with exit code {outcome.exit_code}")
    return meter


def dry(meter: Meter, sessions: int, exchanges: int, in_flight: int) -> Meter:
    return played(
        meter,
        "engine=dry",
        f"sessions_per_persona={sessions // NUMBER}",
        f"max_exchanges={exchanges}",
        f"min_exchanges={exchanges}",
        f"concurrency={in_flight}",
    )


def cpu(sessions: int) -> dict[str, float]:
    reference = Reference()
    meter = dry(Meter(reference=reference), sessions, 20, sessions)
    cost = 1000 * (meter.cpu_s - reference.seconds) / meter.turns
    return {
        "cpu_references_a_turn": cost / reference.ms,
        "cpu_ms_a_turn": cost,
        "reference_ms": reference.ms,
        "turns": meter.turns,
        "turns_a_second": meter.turns / meter.seconds,
    }


def live(sessions: int) -> dict[str, float]:
    """Memory per live session; all sessions run at once, so that all are live when they are longest."""
    meter = dry(Meter(), sessions, 20, sessions)
    return {"kb_a_live_session": (meter.most_kb - meter.base_kb) / meter.sessions}


def finished(sessions: int) -> dict[str, float]:
    meter = dry(Meter(samples=8), 8 * sessions, 3, 50)
    (early, before), (late, after) = meter.memory[1], meter.memory[-1]
    return {"kb_a_finished_session": (after - before) / (late - early)}


def loop(_: int) -> dict[str, float]:
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            meter = played(
                Meter(),
                "engine=openai",
                f"engine.base_url={address}",
                "model.max_model_len=8192",
                f"sessions_per_persona={CONVERSATIONS // NUMBER}",
                f"max_exchanges={CALLS // 2}",
                f"concurrency={CONVERSATIONS}",
                *NO_SECOND_DRAFTS,
            )
        finally:
            server.terminate()
    if meter.turns != CALLS * CONVERSATIONS:
        sys.exit(f"{meter.turns} turns, expected {CALLS * CONVERSATIONS}")
    return {"loop_seconds": meter.seconds, "loop_cpu_seconds": meter.cpu_s}


class Answers(asyncio.Protocol):
    """A connection of a minimal server, so that the server is not the bottleneck."""

    said: Iterator[str]

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"GET"):
            self._reply({"object": "list", "data": [{"id": "served", "object": "model", "max_model_len": 8192}]})
        else:
            message = {"role": "assistant", "content": next(self.said)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            asyncio.get_running_loop().call_later(LATENCY_S, self._reply, {"choices": [choice]})

    def _reply(self, content: Mapping[str, object]) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def serve() -> None:
    """Run the server of `loop` and print its address; needs a process of its own."""
    draw, said = random.Random(0), sentences()
    Answers.said = iter(lambda: " ".join(draw.sample(said, 2)), "")
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


PARTS = {"cpu": cpu, "live": live, "finished": finished, "loop": loop}


def main(options: argparse.Namespace) -> int:
    figures: dict[str, list[float]] = {}
    for part in options.part:
        for _ in range(options.rounds):
            command = [sys.executable, __file__, "--play", part, "--sessions", str(options.sessions)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            if done.returncode:
                print(f"{part}: {done.stderr}", file=sys.stderr)
                return FAILED
            for name, value in json.loads(done.stdout.splitlines()[-1]).items():
                figures.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, median in medians.items():
        spread = f"{min(figures[name]):.3f} to {max(figures[name]):.3f}"
        limit = f"at most {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name:<24} {median:>12.3f}   {spread:<24} {limit}")
    head = {"benchmark": "overhead", "machine": machine(), "sessions": options.sessions}
    write(options.json, {**head, "medians": medians, "rounds": figures, "limits": LIMITS})
    return MISSED if any(medians.get(name, 0.0) > limit for name, limit in LIMITS.items()) else HELD


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--sessions", type=int, default=1000, help="sessions of cpu and live; finished plays eight times as many"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--play", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
    elif given.play:
        print(json.dumps(PARTS[given.play](given.sessions)))
    else:
        sys.exit(main(given))
