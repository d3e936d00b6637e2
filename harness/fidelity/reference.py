"""Reference profiles: aggregates over people's turns, shipped with the harness or made from transcripts."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.agents.profile import QUANTILES, quantile
from harness.agents.transcript import read_transcript
from harness.errors import TranscriptError
from harness.fidelity.measures import PatientTurns
from harness.personas.schema import Channel
from harness.store.records import read_sessions
from harness.types import Speaker

FILE = Path(__file__).with_name("references.json")
STEPS = 200
"""Quantiles by which a shipped distribution of turn lengths is represented."""


class Reference:
    """A profile with which patients are compared."""

    def __init__(self, name: str, about: str, measures: Mapping[str, Any], lengths: Sequence[float]) -> None:
        """`lengths` are evenly spaced quantiles of words per turn, ascending."""
        self.name = name
        self.about = about
        self.measures = measures
        self._lengths = lengths

    def distance(self, lengths: Sequence[float]) -> float | None:
        """Wasserstein distance, in words, between these turn lengths and those of the reference; None without a turn."""
        if not lengths:
            return None
        return round(wasserstein(sorted(lengths), self._lengths), 3)

    def variance_ratio(self, lengths: Sequence[float]) -> float | None:
        """Variance of these turn lengths divided by that of the reference; None if it is not defined."""
        own, other = variance(lengths), variance(self._lengths)
        return round(own / other, 3) if other and len(lengths) > 1 else None


@cache
def shipped(channel: Channel) -> Reference:
    """The shipped profile of people who type, or of people who speak."""
    entry = json.loads(FILE.read_text(encoding="utf-8"))[str(channel)]
    lengths = [quantile(QUANTILES[channel], (step + 0.5) / STEPS) for step in range(STEPS)]
    about = f"{entry['about']}; {entry['source']} ({entry['licence']})"
    return Reference(str(channel), about, entry, lengths)


def from_transcripts(folder: Path) -> Reference:
    """A profile made from all transcripts in a folder: text files with `Patient:` turns, and sessions.jsonl files.

    Raises `TranscriptError` if there is none, or if one can't be read.
    """
    turns = PatientTurns()
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix == ".txt" or path.name == "sessions.jsonl")
    except OSError as error:
        raise TranscriptError(f"{folder}: can't be read: {error.strerror}") from error
    for path in files:
        if path.name == "sessions.jsonl":
            for session in read_sessions(path):
                turns.add([turn.text for turn in session.turns if turn.speaker is Speaker.PATIENT], session.persona_id)
        else:
            turns.add(read_transcript(path).patient, path.stem)
    if not turns.lengths:
        raise TranscriptError(
            f"{folder}: no transcript (*.txt with `Patient:` turns, or a sessions.jsonl); give a folder with transcripts"
        )
    return Reference(
        folder.name, f"{len(turns.sessions)} transcripts in {folder}", turns.measured(), sorted(turns.lengths)
    )


def wasserstein(one: Sequence[float], other: Sequence[float]) -> float:
    """The Wasserstein-1 distance of two ascending samples: the mean distance of their quantiles."""
    shares = sorted({n / len(one) for n in range(len(one) + 1)} | {n / len(other) for n in range(len(other) + 1)})
    return sum(
        (high - low) * abs(_at(one, (low + high) / 2) - _at(other, (low + high) / 2)) for low, high in pairwise(shares)
    )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def variance(values: Sequence[float]) -> float:
    """Population variance; 0 without values."""
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)
