#!/usr/bin/env python
"""What the guard gains, and what it costs.

Gain: how much both speakers repeat themselves with the guard on and off, for the same personas and seeds on one engine
that is loaded once. The measures are those of docs/metrics.md, computed from the texts alone.
Cost: CPU time per turn of inner state, guard and metrics together; these sessions are replayed without any engine.

    python scripts/bench/guard.py [--engine vllm] [--exchanges 12] [--json FILE] [KEY=VALUE ...]
    python scripts/bench/guard.py --cost [RUN_DIR]

Exit code 1: a bound is not met. KEY=VALUE are further settings of both runs, as for `python -m harness run`.
`--engine dry` only checks that the benchmark works: its texts are drawn from a list and say nothing about repetition.
`--cost` measures the cost alone, in half a minute: over the sessions of a run folder, or of a dry run made for it.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference import Reference

from harness.agents import directions, inner_state
from harness.agents.appraiser import RuleAppraiser
from harness.cli.reporter import TerminalReporter
from harness.config.compose import load
from harness.config.guard import GuardConfig
from harness.guard import Guard
from harness.guard.crisis import crisis
from harness.hearing.hear import _hear
from harness.hearing.model import model
from harness.metrics.conduct import Conduct
from harness.metrics.session import session_metrics
from harness.paths import persona_dir
from harness.personas.library import find
from harness.personas.library import load as load_personas
from harness.personas.schema import Persona
from harness.runs.single import execute
from harness.runs.workers import few_collections
from harness.store.records import SessionRecord, read_record, read_sessions
from harness.sweeps.record import read_sweep
from harness.sweeps.sweep import sweep
from harness.text.words import parse
from harness.types import Event, Speaker, Turn

PERSONAS = 8
MEASURES = tuple((speaker, name) for name in ("repeating_turns", "repetition", "worn_out_share") for speaker in Speaker)
LOOPING = ("model.sampling.temperature=0.3", "model.sampling.repetition_penalty=1.0")
"""Small models loop when sampled like this. With a penalty of 1.1 SmolLM2 repeats almost nothing, and the guard would have
nothing to do."""
ROUNDS = 10
"""A session's cost is its fastest of this many rounds: other programs slow the others down."""
BOUND = 0.97
"""Most references (`reference.py`) per turn: 0.3 ms where a reference takes 0.31 ms, an idle Intel Xeon, as in `overhead.py`."""
HALVED = ("patient.repetition", "therapist.repetition")
"""Measures that the guard must at least halve."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Figures of the sessions with the guard on, or off."""

    means: Mapping[str, float]
    """`SPEAKER.MEASURE` to its mean over sessions."""
    turns: int
    events: Mapping[str, int]
    """Findings, nudges and retries by kind."""


def arm(sessions: Sequence[SessionRecord]) -> Arm:
    """Sum up one run's sessions."""
    means = {}
    for speaker, name in MEASURES:
        values = [value for s in sessions if (value := s.metrics[speaker][name]) is not None]
        means[f"{speaker}.{name}"] = round(statistics.fmean(values), 4) if values else float("nan")
    kinds = Counter(event.kind for session in sessions for event in session.events)
    return Arm(means, sum(len(session.turns) for session in sessions), dict(kinds.most_common()))


def chosen_personas() -> str:
    """A setting that names some personas, spread evenly over the library."""
    ids = sorted(find([persona_dir()]))
    return f"personas=[{','.join(ids[:: len(ids) // PERSONAS][:PERSONAS])}]"


def play(options: argparse.Namespace, folder: Path) -> dict[str, list[SessionRecord]]:
    """Play both runs as one batch on one engine; returns their sessions."""
    common = [
        chosen_personas(),
        f"engine={options.engine}",
        f"max_exchanges={options.exchanges}",
        f"min_exchanges={options.exchanges}",
        "patient.max_new_tokens=80",
        "therapist.max_new_tokens=80",
        *LOOPING,
        *options.overrides,
    ]
    folder, code = sweep(
        [*common, "guard=default,off", "guard.mends=both", f"run.dir={folder}"], None, TerminalReporter
    )
    if code:
        raise SystemExit("a run did not finish; nothing to compare")
    found = {}
    for point in read_sweep(folder).points:
        path = folder / point.folder
        name = "on" if read_record(path).config["guard"]["enabled"] else "off"
        found[name] = list(read_sessions(path / "sessions.jsonl"))
    return found


def dry_sessions(exchanges: int) -> list[SessionRecord]:
    """Play sessions on the dry engine: their texts are good enough to measure the cost."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        execute(
            load([chosen_personas(), "engine=dry", f"max_exchanges={exchanges}", f"run.dir={run}"]), TerminalReporter()
        )
        return list(read_sessions(run / "sessions.jsonl"))


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of a turn, and of the reference beside it."""

    ms: float
    reference_ms: float

    @property
    def references(self) -> float:
        return self.ms / self.reference_ms


def cost(sessions: Sequence[SessionRecord]) -> Cost:
    """The CPU time per turn of inner state, guard and metrics over recorded sessions."""
    personas = {p.id: p for p in load_personas(sorted({s.persona_id for s in sessions}), [persona_dir()])}
    fastest, references = [float("inf")] * len(sessions), [float("inf")] * len(sessions)
    with few_collections():  # as in a run
        for _ in range(ROUNDS):
            for place, session in enumerate(sessions):
                forget()
                began = time.process_time()
                watch(session.turns, personas[session.persona_id])
                fastest[place] = min(fastest[place], time.process_time() - began)
                reference = Reference()
                reference.run()
                references[place] = min(references[place], reference.ms)
    return Cost(1000 * sum(fastest) / sum(len(session.turns) for session in sessions), statistics.fmean(references))


def forget() -> None:
    """Clear the caches of texts, so that each round starts without them, as a run does."""
    for remembered in (parse, crisis, _hear, model().rarity.weights):
        remembered.cache_clear()


def watch(turns: Sequence[Turn], persona: Persona) -> None:
    """Compute what a run computes for the turns of one session, without prompts and answers."""
    guard, state = Guard(GuardConfig(), persona.language), inner_state.initial(persona)
    events, ears, done = list[Event](), RuleAppraiser(persona), Conduct()
    for turn in turns:
        guard.direction(turn.speaker)
        if turn.speaker is Speaker.PATIENT:
            if turn.index:
                state = inner_state.step(state, ears.hear(turns[: turn.index]), persona)
            _, state = directions.direction(state, persona)
            state.to_dict()
        guard.judge(turn)
        events += guard.observe(turn).events
        done.add(turn)
    seen = [turn.text for turn in turns]
    said = guard.said(turn.speaker for turn in turns)
    session_metrics(turns, events, final_view=seen, repeating=guard.repeating_turns(), said=said, done=done)


def growth(sessions: Sequence[SessionRecord]) -> float:
    """The guard's cost in the last quarter of one long session, as a multiple of the first quarter's."""
    turns = [turn for session in sessions for turn in session.turns]
    ratios = []
    for _ in range(ROUNDS):
        guard, quarters = Guard(GuardConfig()), list[float]()
        for quarter in range(4):
            began = time.process_time()
            for turn in turns[quarter * len(turns) // 4 : (quarter + 1) * len(turns) // 4]:
                guard.judge(turn)
                guard.observe(turn)
            quarters.append(time.process_time() - began)
        ratios.append(quarters[3] / quarters[0])
    return min(ratios)


def table(arms: Mapping[str, Arm]) -> str:
    """A table of both arms, with the share of each measure that is left with the guard on."""
    lines = [f"{'':28}{'guard off':>12}{'guard on':>12}{'left':>9}"]
    for name, off in arms["off"].means.items():
        on = arms["on"].means[name]
        lines.append(f"{name:28}{off:12.3f}{on:12.3f}{f'{on / off:.0%}' if off else '-':>9}")
    return "\n".join(lines)


def print_cost(sessions: Sequence[SessionRecord]) -> tuple[Cost, float]:
    """Measure and print the cost; returns it with the number of words per turn."""
    words = statistics.fmean(len(turn.text.split()) for session in sessions for turn in session.turns)
    found = cost(sessions)
    print(
        f"inner state, guard and metrics: {found.references:.2f} references per turn of {words:.0f} words "
        f"(bound: {BOUND}); {found.ms:.3f} CPU ms, a reference takes {found.reference_ms:.3f}"
    )
    print(f"guard on all these turns as one session: the last quarter costs {growth(sessions):.2f} times the first")
    return found, words


def main(options: argparse.Namespace) -> int:
    if options.cost is not None:
        recorded = [session for run in options.cost for session in read_sessions(run / "sessions.jsonl")]
        found, _ = print_cost(recorded or dry_sessions(options.exchanges))
        return 0 if found.references <= BOUND else 1
    with tempfile.TemporaryDirectory() as temporary:
        sessions = play(options, options.keep or Path(temporary, "sweep"))
    arms = {name: arm(records) for name, records in sessions.items()}
    every = [session for records in sessions.values() for session in records]
    print(table(arms))
    off, on = arms["off"].means, arms["on"].means
    halved = all(on[name] <= off[name] / 2 for name in HALVED)
    print(f"repetition {'halved or better' if halved else 'NOT halved'}: {', '.join(HALVED)}")
    print(f"events with the guard on: {dict(arms['on'].events)}")
    found, words = print_cost(every)
    if options.json is not None:
        summary = {
            "personas": PERSONAS,
            "exchanges": options.exchanges,
            "engine": options.engine,
            **{name: {"means": a.means, "turns": a.turns, "events": a.events} for name, a in arms.items()},
            "halved": halved,
            "cost_references_a_turn": round(found.references, 3),
            "cost_ms_a_turn": round(found.ms, 4),
            "reference_ms": round(found.reference_ms, 4),
            "words_a_turn": round(words, 1),
        }
        options.json.write_text(json.dumps(summary, indent=2), "utf-8")
    return 0 if found.references <= BOUND and (halved or options.engine == "dry") else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--exchanges", type=int, default=12)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep both run folders here")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cost", nargs="*", type=Path, metavar="RUN_DIR", help="measure the cost alone")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    sys.exit(main(parser.parse_args()))
