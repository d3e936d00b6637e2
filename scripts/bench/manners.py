#!/usr/bin/env python
"""What the small model's adapters change: base and adapters with the same patients and seeds, as a table in Markdown.

    python scripts/bench/manners.py FOLDER [--seeds 3]     plays the sweep into FOLDER (real vLLM), then prints the table
    python scripts/bench/manners.py FOLDER                 prints the table of a sweep that is there

Played are the six personas that no training row knows, with the settings of `experiment=smoke`, and with a guard that records
and mends nothing. Differences are paired by persona and seed; intervals are those of `harness compare`.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.__main__ import main as command
from harness.comparison.bootstrap import Estimate, estimates
from harness.guard.roles import role_break
from harness.store.records import SessionRecord, read_record, read_sessions
from harness.sweeps.reader import open_sweep
from harness.text.words import content_stems, words
from harness.types import Speaker

HELD_OUT = "bus-driver-panic,baker-gone-quiet,court-sent-chef,night-guard-talks,two-cups,last-appointment"
AS_OTHER = ("both_sides", "speaks_for_other", "swapped")
BASE, THERAPIST, BOTH = "neither", "therapist", "both"
Sessions = dict[tuple[str, int], SessionRecord]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="sessions of each persona")
    args = parser.parse_args()
    if not args.folder.exists():
        play(args.folder, args.seeds)
    settings = dict(sorted(read(args.folder), key=lambda found: (BASE, THERAPIST, "patient", BOTH).index(found[0])))
    print("\n".join(table(settings)))


def play(folder: Path, seeds: int) -> None:
    kinds = ("loop", "repeat", "stutter", "echo", "role_break", "empty")
    code = command([
        "run", "-m", "experiment=smoke", "engine=vllm", f"personas=[{HELD_OUT}]", f"sessions_per_persona={seeds}",
        "min_exchanges=4", *(f"guard.{kind}=record" for kind in kinds), f"run.dir={folder}",
        "therapist.model.adapter=null,smollm2-135m-therapist", "patient.model.adapter=null,smollm2-135m-patient",
    ])  # fmt: skip
    if code:
        raise SystemExit(code)


def read(sweep: Path) -> Iterator[tuple[str, Sessions]]:
    """Which speakers have an adapter, and the sessions by persona and seed."""
    for run in open_sweep(sweep).runs():
        config = read_record(run.path).config
        having = [role for role in ("therapist", "patient") if config[role]["model"]["adapter"]]
        name = BASE if not having else BOTH if len(having) == 2 else having[0]
        yield name, {(one.persona_id, one.seed): one for one in read_sessions(run.path / "sessions.jsonl")}


def table(settings: dict[str, Sessions]) -> Iterator[str]:
    pairs = sorted(set.intersection(*map(set, settings.values())))
    base = settings[BASE]
    yield f"{len(pairs)} sessions of {len({persona for persona, _ in pairs})} personas with each setting"
    for speaker in Speaker:
        others = [name for name in settings if name in (str(speaker), BOTH)]
        columns = [column for name in others for column in (f"adapter for {name}", "difference [95%]")]
        yield ""
        yield " | ".join(["", f"{speaker}", "no adapter", *columns, ""]).strip()
        yield "| --- " * (2 + len(columns)) + "|"
        for label, measure, percent in MEASURES:
            before = [measure(base[pair], speaker) for pair in pairs]
            cells = [label, shown(fmean(before), percent)]
            for name in others:
                after = [measure(settings[name][pair], speaker) for pair in pairs]
                (found,) = estimates([np.subtract(after, before)])
                cells += [shown(fmean(after), percent), difference(found, percent)]
            yield f"| {' | '.join(cells)} |"
    yield ""
    yield "| first answer and first message share, of the shorter one's words with a meaning | own pair | shuffled | difference [95%] |"
    yield "| --- | --- | --- | --- |"
    for name, sessions in settings.items():
        own, shuffled = relation([sessions[pair] for pair in pairs])
        (found,) = estimates([np.subtract(own, shuffled)])
        cells = [f"adapter for {name}", shown(fmean(own), True), shown(fmean(shuffled), True), difference(found, True)]
        yield f"| {' | '.join(cells)} |"


def share(of: Callable[[str, Speaker], bool]) -> Callable[[SessionRecord, Speaker], float]:
    """Share of a speaker's turns for which something holds."""
    return lambda session, speaker: fmean(of(turn.text, speaker) for turn in session.turns if turn.speaker is speaker)


def finding(kind: str) -> Callable[[SessionRecord, Speaker], float]:
    """Share of a speaker's turns with a finding of the guard."""

    def measure(session: SessionRecord, speaker: Speaker) -> float:
        turns = {event.turn for event in session.events if (event.kind, event.speaker) == (kind, speaker)}
        return len(turns) / sum(turn.speaker is speaker for turn in session.turns)

    return measure


def metric(name: str) -> Callable[[SessionRecord, Speaker], float]:
    return lambda session, speaker: session.metrics[str(speaker)][name] or 0.0


def _as_other(text: str, speaker: Speaker) -> bool:
    found = role_break(text, speaker)
    return found is not None and found.data["form"] in AS_OTHER


MEASURES = (
    ("turns cut off in the middle of a sentence", finding("cut_off"), True),
    ("turns out of role", share(lambda text, speaker: role_break(text, speaker) is not None), True),
    ("of them, talking as the other", share(_as_other), True),
    ("turns that repeat", metric("repeating_turns"), True),
    ("word runs said before", metric("repetition"), True),
    ("turns that copy the other", finding("echo"), True),
    ("turns with a question", metric("question_rate"), True),
    ("words per turn", metric("words_per_turn"), False),
)


def relation(sessions: Sequence[SessionRecord]) -> tuple[list[float], list[float]]:
    """How much the first answer shares with the message before it, and on average with those of other personas."""
    said = [[content_stems(words(turn.text)) for turn in session.turns[:2]] for session in sessions]
    own = [overlap(*pair) for pair in said]
    shuffled = [
        fmean(
            overlap(other[0], pair[1])
            for other, there in zip(said, sessions, strict=True)
            if there.persona_id != session.persona_id
        )
        for pair, session in zip(said, sessions, strict=True)
    ]
    return own, shuffled


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


def shown(value: float, percent: bool) -> str:
    return f"{100 * value:.0f}%" if percent else f"{value:.1f}"


def difference(found: Estimate, percent: bool) -> str:
    factor, unit = (100, " points") if percent else (1, "")
    if found.interval is None:
        return f"{factor * found.mean:+.1f}{unit}"
    low, high = found.interval
    return f"{factor * found.mean:+.1f}{unit} [{factor * low:+.1f}, {factor * high:+.1f}]"


if __name__ == "__main__":
    main()
