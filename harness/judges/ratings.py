"""People's ratings from a table: `session_id,item,rater,value,split,run`, one rating per line.

`item` is RUBRIC/ITEM, or the item alone if only one rubric has it; `value` is a number or the id of an answer. `run` is the
name of the session's run folder, since the runs of a sweep have sessions of the same ids.
"""

import csv
import io
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import RatingError, some_of
from harness.judges.records import Rating, Score
from harness.judges.rubric import Rubric
from harness.reading.delimited import dict_reader
from harness.reading.files import opened

_log = logging.getLogger(__name__)
COLUMNS = ("session_id", "item", "rater", "value")
MOST_ROWS = 1_000_000


def read_ratings(path: Path, rubrics: Sequence[Rubric]) -> list[Rating]:
    """All ratings of a table, with `item` as RUBRIC/ITEM. Raises `RatingError` with the first 20 mistakes."""
    known = {
        f"{rubric.id}/{item.id}": {a.id: a.value for a in item.answers} for rubric in rubrics for item in rubric.items
    }
    over_turns = {
        f"{rubric.id}/{item.id}": item.merge
        for rubric in rubrics
        for item in rubric.items
        if item.merge in ("sum", "mean")
    }
    ratings: list[Rating] = []
    mistakes: list[str] = []
    seen: set[tuple[str, str, str, str]] = set()
    for number, row in _rows(path):
        found = _rating(row, known, over_turns)
        if isinstance(found, str):
            mistakes.append(f"{path}:{number}: {found}")
        elif (key := (found.run, found.session_id, found.item, found.rater)) in seen:
            mistakes.append(f"{path}:{number}: a second rating of {found.item} by {found.rater} for {found.session_id}")
        else:
            seen.add(key)
            ratings.append(found)
        if len(mistakes) >= 20:
            break
    if mistakes:
        raise RatingError(*mistakes)
    if not ratings:
        raise RatingError(f"{path}: no ratings; expected lines of {','.join(COLUMNS)},split")
    return ratings


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with opened(path) as content, io.TextIOWrapper(content, "utf-8-sig", newline="") as file:
            reader = dict_reader(file)
            absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if absent:
                raise RatingError(f"{path}:1: no column {', '.join(absent)}; expected {','.join(COLUMNS)},split")
            for row in reader:
                number = reader.line_num
                if number > MOST_ROWS:
                    raise RatingError(f"{path}: more than {MOST_ROWS} lines")
                yield number, {key: value or "" for key, value in row.items() if isinstance(key, str)}
    except OSError as error:
        raise RatingError(f"{path}: can't be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RatingError(
            f"{path}: expected a table in UTF-8, separated by commas, semicolons or tabs: {error}"
        ) from error


def _rating(
    row: Mapping[str, str], known: Mapping[str, Mapping[str, float]], over_turns: Mapping[str, str]
) -> Rating | str:
    """A rating, or what is wrong with its line.

    `over_turns` are the items whose value for a session is a sum or a mean over turns: no answer is comparable to it.
    """
    for name in COLUMNS:
        if not row.get(name, "").strip():
            return f"{name}: no value"
    asked = row["item"].strip()
    names = [name for name in known if name == asked or name.partition("/")[2] == asked]
    if len(names) != 1:
        return f"item: {asked!r} is " + (f"in several rubrics; write {' or '.join(names)}" if names else "in no rubric")
    if (how := over_turns.get(names[0])) is not None:
        return f"item: {names[0]}: a judge's value is its {how} over turns, no answer; rate items with one answer per session"
    split = row.get("split", "").strip() or "test"
    if split not in ("dev", "test"):
        return f"split: expected dev or test, found {split!r}"
    answers, given = known[names[0]], row["value"].strip()
    try:
        value = answers[given] if given in answers else float(given)
    except ValueError:
        return f"value: expected a number or one of {', '.join(answers)}, found {given!r}"
    if value not in answers.values():
        return f"value: expected one of {', '.join(f'{v:g}' for v in answers.values())}, found {given!r}"
    fields = {"session_id": row["session_id"].strip(), "item": names[0], "rater": row["rater"].strip()}
    return Rating.model_validate({**fields, "value": value, "split": split, "run": row.get("run", "").strip()})


def of_runs(
    ratings: Sequence[Rating], judged: Mapping[str, Sequence[Score]], place: str
) -> tuple[list[Rating], list[Score]]:
    """Ratings and scores of several runs, by the names of their folders, with ids of sessions that are unique over all runs.

    `place` is the table of the ratings, for messages. Ratings of sessions that were not judged are left out, with a note.
    Raises `RatingError` for a rating whose session several runs have, if it doesn't name its run.
    """
    scores = [
        score.model_copy(update={"session_id": f"{run}/{score.session_id}"})
        for run, own in judged.items()
        for score in own
    ]
    runs: defaultdict[str, list[str]] = defaultdict(list)
    for run, own in judged.items():
        for session_id in dict.fromkeys(score.session_id for score in own):
            runs[session_id].append(run)
    placed, unknown = [], dict[str, None]()
    for rating in ratings:
        found = [run for run in runs[rating.session_id] if rating.run in ("", run)]
        if len(found) > 1:
            raise RatingError(
                f"{place}: session {rating.session_id} is in {len(found)} runs ({some_of(found, '')}), so it is not known which one "
                "was rated; add a column `run` with the name of its run folder"
            )
        placed += [rating.model_copy(update={"session_id": f"{run}/{rating.session_id}"}) for run in found]
        if not found:
            unknown[rating.session_id] = None
    if unknown:
        _log.warning("note: %s: not judged, so left out: sessions %s", place, some_of(unknown))
    return placed, scores
