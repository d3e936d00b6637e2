"""Scores on the page of a session (transcripts/SESSION.md), after the transcript.

Invariants:
- A page has one section for each judge; judging again replaces that judge's section and nothing else.
- No text of a model can become a heading, a link or HTML.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from harness.judges.records import Certificate, Score, read_certificate, read_scores
from harness.reading.files import read_bytes
from harness.store.files import storage_error, write_whole
from harness.store.transcripts import escape

_SECTION = re.compile(r"^## Scores by (.*)$", re.MULTILINE)
MOST_BYTES = 16_000_000
"""Largest page that is changed; a larger one stays as it is."""


def write_pages(folder: Path, judge: str) -> None:
    """Write a judge's scores to the pages of a run's sessions. Raises `StorageError`."""
    certificate = read_certificate(folder)
    own = (score for score in read_scores(folder) if score.judge == judge)
    begun = set[str]()
    """Sessions whose section has scores already: rubrics that were judged one after another stand apart in the file."""
    for session_id, scores in groupby(own, key=lambda score: score.session_id):
        path = folder / "transcripts" / f"{session_id}.md"
        try:
            if path.name == f"{session_id}.md" and path.is_file() and path.stat().st_size <= MOST_BYTES:
                page = read_bytes(path).decode("utf-8", "replace")
                changed = with_section(page, judge, list(scores), certificate, more=session_id in begun)
                begun.add(session_id)
                if changed != page:
                    write_whole(path, changed.encode(), durable=False)
        except OSError as error:
            raise storage_error(path, "write", error, "mend that, then judge again: no answer is lost") from error


def with_section(
    page: str, judge: str, scores: Sequence[Score], certificate: Certificate, *, more: bool = False
) -> str:
    """The page with the section of this judge. An earlier section of the judge is replaced; with `more`, it is continued."""
    parts = _SECTION.split(page)
    others = dict(zip(parts[1::2], parts[2::2], strict=True))
    before = others.get(escape(judge), "\n").rstrip() if more else "\n"
    others[escape(judge)] = before + "\n" + "\n".join(_lines(scores, certificate)) + "\n\n"
    sections = "".join(f"## Scores by {name}{text.rstrip()}\n\n" for name, text in others.items())
    return f"{parts[0].rstrip()}\n\n{sections.rstrip()}\n"


def _lines(scores: Sequence[Score], certificate: Certificate) -> Iterator[str]:
    for score in scores:
        doubt = "" if certificate.certified(score.judge, score.rubric, score.item) else ", not certified"
        which = f" (repeat {score.repeat}, order {score.order})" if score.repeat or score.order else ""
        yield f"- {score.rubric}, {score.item}{which}: {_answer(score)}{doubt}"
        for found in score.evidence:
            yield f"  - turn {found.turn}: “{_line(found.quote)}”"
        for turn in score.turns:
            if turn.value:
                yield f"  - turn {turn.turn}: {turn.answer}"


def _answer(score: Score) -> str:
    if score.value is None:
        return f"no value ({score.status.replace('_', ' ')})"
    shown = score.answer if score.answer is not None else f"{score.value:g}"
    return f"{shown}, {score.severity}" if score.severity else shown


def _line(text: str) -> str:
    return " ".join(escape(text).split())
