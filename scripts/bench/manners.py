#!/usr/bin/env python
"""What adapters of the small model change: base and adapters with the same patients and seeds, as a Markdown table.

    python scripts/bench/manners.py FOLDER --therapist ADAPTER --patient ADAPTER [--seeds 5]     plays both (on vLLM)
    python scripts/bench/manners.py FOLDER                                                       the table of runs that exist already

It plays seven personas that are in no training row of `scripts/train/manners`, the default one among them, with the settings of
`experiment=smoke`: four exchanges, and a guard that mends only the patient, both with and without adapters. Differences are paired by
persona and seed; intervals are those of `harness compare`.
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
from harness.store.records import SessionRecord, read_sessions
from harness.text.words import content_stems, words
from harness.types import Speaker

HELD_OUT = "skeptical-bullied-overwhelmed,bus-driver-panic,baker-gone-quiet,court-sent-chef,night-guard-talks,two-cups,last-appointment"
AS_OTHER = ("both_sides", "speaks_for_other", "swapped")
Sessions = dict[tuple[str, int], SessionRecord]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--therapist", type=Path, help="folder of the therapist's adapter")
    parser.add_argument("--patient", type=Path, help="folder of the patient's adapter")
    parser.add_argument("--seeds", type=int, default=5, help="sessions of each persona")
    args = parser.parse_args()
    if not args.folder.exists():
        named = {"therapist": args.therapist, "patient": args.patient}
        adapters = [f"{role}.model.adapter={path.resolve()}" for role, path in named.items() if path is not None]
        if not adapters:
            parser.error("name at least one adapter: --therapist FOLDER, --patient FOLDER")
        play(args.folder / "without", args.seeds)
        play(args.folder / "with", args.seeds, *adapters)
    print("\n".join(table(read(args.folder / "without"), read(args.folder / "with"))))


def play(folder: Path, seeds: int, *adapters: str) -> None:
    code = command([
        "run", "experiment=smoke", "engine=vllm", "engine.max_model_len=4096", f"personas=[{HELD_OUT}]",
        f"sessions_per_persona={seeds}", *adapters, f"run.dir={folder}",
    ])  # fmt: skip
    if code:
        raise SystemExit(code)


def read(run: Path) -> Sessions:
    """The sessions by persona and seed."""
    return {(one.persona_id, one.seed): one for one in read_sessions(run / "sessions.jsonl")}


def table(base: Sessions, taught: Sessions) -> Iterator[str]:
    pairs = sorted(base.keys() & taught.keys())
    yield f"{len(pairs)} pairs of sessions, {len({persona for persona, _ in pairs})} personas"
    for speaker in Speaker:
        yield f"\n| {speaker} | without | with | difference [95%] |\n| --- | --- | --- | --- |"
        for label, measure, percent in MEASURES:
            before, after = ([measure(of[pair], speaker) for pair in pairs] for of in (base, taught))
            (found,) = estimates([np.subtract(after, before)])
            cells = [label, shown(fmean(before), percent), shown(fmean(after), percent), difference(found, percent)]
            yield f"| {' | '.join(cells)} |"
    yield "\n| words shared by first message and first answer | own pair | shuffled | difference [95%] |"
    yield "| --- | --- | --- | --- |"
    for name, sessions in (("without", base), ("with", taught)):
        own, shuffled = relation([sessions[pair] for pair in pairs])
        (found,) = estimates([np.subtract(own, shuffled)])
        yield f"| {name} | {shown(fmean(own), True)} | {shown(fmean(shuffled), True)} | {difference(found, True)} |"


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
    """Overlap of content words (as a share of the shorter text) between a session's first message and first answer; and the mean
    overlap of that answer with the first messages of other personas."""
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
