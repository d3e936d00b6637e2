"""Training and test data of the hearing: our lines, our labelled sessions, and public transcripts if you have them.

Nothing public is stored in the repository: MIBot (Mahmood et al. 2025, CC BY-SA 4.0) is read from a folder that you name.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from harness.hearing.acts import Act
from harness.hearing.cut import Part, parts
from harness.text.words import parse

CODES: Mapping[str, tuple[Act, ...]] = {
    "r": (Act.REFLECTION,),
    "c": (Act.REFLECTION, Act.COMPLEX),
    "a": (Act.ADVICE,),
    "p": (Act.PERMISSION,),
    "i": (Act.INFORMATION,),
    "f": (Act.AFFIRMATION,),
    "v": (Act.VALIDATION,),
    "d": (Act.DISCLOSURE,),
    "x": (Act.CONFRONTATION,),
    "s": (Act.SAFETY,),
    "t": (Act.STRUCTURE,),
    "u": (Act.AUTONOMY,),
    "o": (),
}


@dataclass(frozen=True)
class Row:
    """One part of a therapist's turn, what was said before it, and its acts as far as they are known."""

    source: str
    group: str
    """Rows of one group are never split over training and test."""
    heard: tuple[str, ...]
    every: tuple[Part, ...]
    place: int
    acts: frozenset[Act]
    known: frozenset[Act] = frozenset(Act)
    weight: float = 1.0
    turn: str = ""


@dataclass(frozen=True)
class Labelled:
    """A therapist's turn with labels for the whole turn."""

    session: str
    persona: str
    quality: str
    index: int
    heard: tuple[str, ...]
    text: str
    acts: frozenset[Act]
    question: str | None = None
    permission: str | None = None


@dataclass(frozen=True)
class Told:
    """A session: its turns as (speaker, text)."""

    id: str
    quality: str
    turns: tuple[tuple[str, str], ...] = field(default=())


def lines(path: Path) -> Iterator[Row]:
    """The rows of hearing_lines.txt."""
    for number, block in enumerate(path.read_text("utf-8").split("\n\n")):
        heard = tuple(line[2:].strip() for line in block.splitlines() if line.startswith("P:"))
        if not heard:
            continue
        for line in block.splitlines():
            if line.startswith(("P:", "#")) or not line.strip():
                continue
            yield from _line(line, f"block-{number}", heard)


def _line(line: str, group: str, heard: tuple[str, ...]) -> Iterator[Row]:
    every: list[Part] = []
    acts: list[frozenset[Act]] = []
    for piece in line.split("|"):
        codes, _, text = piece.strip().partition(" ")
        cut = parts(parse(text))
        done = frozenset(act for code in codes for act in CODES[code])
        every += cut
        acts += [done] * len(cut)
    for place, part in enumerate(every):
        if part.form != "backchannel":
            yield Row("lines", group, heard, tuple(every), place, acts[place], turn=f"{group}/{line}")


def mibot(folder: Path) -> Iterator[Row]:
    """Sentences of MIBot's counsellor (a program) with the labels of its authors' coder (AutoMISC).

    Reflections are the only positive labels; other labels count as negatives for a few acts.
    """
    for path in sorted(folder.glob("*.json")):
        heard: list[str] = []
        said: list[tuple[str, str]] = []
        for one in [*json.loads(path.read_text("utf-8"))["utterances"], {"speaker": "client", "text": ""}]:
            if one["speaker"] == "counsellor":
                said.append((one["text"], one["auto_misc_label"]))
                continue
            yield from _coded(said, path.stem, tuple(heard[-3:]))
            if said:
                heard, said = [*heard, one["text"]], []
            elif heard:
                heard[-1] += " " + one["text"]
            else:
                heard = [one["text"]]


def _coded(said: Sequence[tuple[str, str]], group: str, heard: tuple[str, ...]) -> Iterator[Row]:
    every: list[Part] = []
    labels: list[str] = []
    for text, label in said:
        cut = parts(parse(text))
        every += cut
        labels += [label] * len(cut)
    for place, part in enumerate(every):
        if part.form == "backchannel":
            continue
        label = labels[place]
        known = {Act.REFLECTION}
        if label in ("Q", "R", "Other"):
            known |= {Act.ADVICE, Act.CONFRONTATION, Act.INFORMATION}
        done = frozenset({Act.REFLECTION}) if label == "R" and part.question is None else frozenset()
        yield Row("mibot", group, heard, tuple(every), place, done, frozenset(known), 0.4, f"{group}/{heard}")


_ALSO = {
    "validation": Act.VALIDATION,
    "information": Act.INFORMATION,
    "self_disclosure": Act.DISCLOSURE,
    "safety": Act.SAFETY,
    "structure": Act.STRUCTURE,
}


def sessions(folder: Path) -> Iterator[tuple[Told, list[Labelled]]]:
    """Our written sessions with the labels of their authors."""
    for path in sorted(folder.glob("*.labels.yaml")):
        labels = yaml.safe_load(path.read_text("utf-8"))["turns"]
        text = path.with_name(path.name.replace(".labels.yaml", ".txt")).read_text("utf-8")
        _, head, body = text.split("---", 2)
        about = yaml.safe_load(head)
        turns = [tuple(turn.split(": ", 1)) for turn in body.strip().split("\n\n")]
        told = Told(about["id"], about["quality"], tuple((who.lower(), said) for who, said in turns))
        found = []
        for index, (who, said) in enumerate(told.turns):
            if who == "therapist":
                heard = tuple(t for w, t in told.turns[:index] if w == "patient")[-3:]
                found.append(_labelled(told, about["persona"], index, heard, said, labels.get(index) or {}))
        yield told, found


def _labelled(
    told: Told, persona: str, index: int, heard: tuple[str, ...], said: str, label: Mapping[str, Any]
) -> Labelled:
    also = label.get("also") or []
    acts = {_ALSO[name] for name in also if name in _ALSO}
    if "reflection" in label:
        acts |= {Act.REFLECTION} | ({Act.COMPLEX} if label["reflection"] == "complex" else set())
    for name, act in (
        ("confrontation", Act.CONFRONTATION),
        ("affirmation", Act.AFFIRMATION),
        ("autonomy", Act.AUTONOMY),
    ):
        if label.get(name):
            acts.add(act)
    if "advice" in label:
        acts.add(Act.ADVICE)
    question, advice = label.get("question"), label.get("advice")
    return Labelled(
        told.id,
        persona,
        told.quality,
        index,
        heard,
        said,
        frozenset(acts),
        question and str(question),
        advice and str(advice),
    )


def as_rows(turn: Labelled) -> list[Row]:
    """The parts of a labelled turn, each with the labels of the whole turn; training finds which part earned them."""
    every = tuple(parts(parse(turn.text)))
    return [
        Row("sessions", turn.persona, turn.heard, every, place, turn.acts, turn=f"{turn.session}/{turn.index}")
        for place, part in enumerate(every)
        if part.form != "backchannel"
    ]


_LEADS = (
    "Okay. ",
    "Mm-hmm. ",
    "Okay, so ",
    "So ",
    "And ",
    "Right. ",
    "Yeah. ",
    "Well, ",
    "Um, ",
    "All right. ",
    "Okay, ",
    "I see. ",
    "You know, ",
    "Yeah, ",
    "Hmm. ",
)


def spoken(rows: Sequence[Row], seed: int) -> list[Row]:
    """Copies of lines of all acts with spoken fillers before and in them, so that fillers have no influence."""
    draw = random.Random(seed)
    copies = []
    for row in rows:
        text = " ".join(row.every[row.place].words)
        if draw.random() < 0.5 or row.place or not text:
            continue
        mark = "?" if row.every[row.place].question else "."
        words = text.split()
        if len(words) > 5 and draw.random() < 0.5:
            words.insert(
                draw.randrange(1, len(words)), draw.choice(("um", "you know", "uh", "kind of", "I guess", "really"))
            )
        cut = parts(parse(draw.choice(_LEADS) + " ".join(words) + mark))
        place = max((p for p, part in enumerate(cut) if part.form != "backchannel"), default=None)
        if place is not None:
            every = (*cut, *row.every[1:])
            copies.append(replace(row, every=every, place=place, weight=row.weight * 0.5))
    return copies


_TAGS = (
    ", right?",
    ", is that right?",
    ", huh?",
    ", yeah?",
    ", is that it?",
    ", correct?",
    ", does that sound right?",
    ", you know?",
    ", is that fair?",
)


def asked(rows: Sequence[Row], seed: int) -> list[Row]:
    """Copies of reflections as questions: those with a tag stay reflections; of two with a bare question mark, one does."""
    draw = random.Random(seed)
    copies = []
    for row in rows:
        part = row.every[row.place]
        if part.question or Act.REFLECTION not in row.acts or draw.random() < 0.6:
            continue
        tag = draw.choice(_TAGS) if draw.random() < 0.6 else "?"
        cut = parts(parse(" ".join(part.words) + tag))
        if len(cut) == 1:
            every = (*row.every[: row.place], cut[0], *row.every[row.place + 1 :])
            copies.append(replace(row, every=every, weight=row.weight * (0.35 if tag == "?" else 0.6)))
            if tag == "?":
                copies.append(
                    replace(copies[-1], acts=row.acts - {Act.REFLECTION, Act.COMPLEX}, weight=row.weight * 0.25)
                )
    return copies


def swapped(rows: Sequence[Row], seed: int, weight: float) -> list[Row]:
    """Copies of reflections after the words of another patient, where the same sentence reflects nothing."""
    draw = random.Random(seed)
    copies = []
    for row in rows:
        if Act.REFLECTION not in row.acts:
            continue
        for _ in range(20):
            other = draw.choice(rows)
            if other.group != row.group and other.source == row.source:
                known = frozenset({Act.REFLECTION, Act.COMPLEX})
                copies.append(
                    replace(row, heard=other.heard, acts=row.acts - known, known=known, weight=row.weight * weight)
                )
                break
    return copies
