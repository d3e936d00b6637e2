"""The top of the report: the outcome of the run in one sentence, the sessions to review, and the charts."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.charts import strip
from harness.report.charts.lines import Axis, Series, lines
from harness.report.data import Report
from harness.report.rows import Row
from harness.report.words import counted, label
from harness.types import Speaker

MOST_DISCLOSED = 30


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart of the run."""

    id: str
    title: str
    text: str
    chart: Markup


def outcome(report: Report) -> str:
    """How the run ended, in one sentence."""
    people = f" of {counted(len(report.personas), 'persona')}" if report.sessions else ""
    parts = [f"{counted(report.sessions, 'session')}{people} finished"]
    parts.append(f"{report.failed:,} failed" if report.failed else "none failed")
    if not report.dry and report.metrics and report.sessions:
        found = [(kind, count) for kind in ("loop", "role_break", "crisis") if (count := report.flagged[kind])]
        said = [f"{label(kind)} in {counted(count, 'session')}" for kind, count in found]
        parts.append(
            f"the guard found {', '.join(said)}" if said else "the guard found no loop, role break or crisis content"
        )
    return f"{'; '.join(parts)}."


def looks(report: Report) -> list[Row]:
    """The sessions to review, most serious first; none of a dry run."""
    return [] if report.dry else report.to_review


def reasons(row: Row) -> str:
    """Why a session should be reviewed."""
    parts = [f"failed the gate {rubric}" for rubric in row.gates_failed]
    parts += [f"{label(kind)} in {counted(count, 'turn')}" for kind, count in row.findings.items()]
    if row.patient == "invalid":
        parts.append("the simulated patient is invalid")
    return ", ".join(parts)


def figures(report: Report) -> list[Figure]:
    """The charts of the run that have data; of a dry run only those of tokens and time."""
    return [figure for figure in _figures(report) if figure.chart]


def _figures(report: Report) -> Iterator[Figure]:
    if not report.dry:
        yield _states(report)
        yield _repetition(report)
        disclosed = [
            strip.Disclosed(row.session_id, row.unlocked_at, row.told_at, row.exchanges)
            for row in report.rows
            if row.unlocked_at or row.told_at
        ]
        more = (
            f" Shown are the first {MOST_DISCLOSED} of {len(disclosed):,} sessions."
            if len(disclosed) > MOST_DISCLOSED
            else ""
        )
        yield Figure(
            "disclosure",
            "Disclosure timeline",
            f"Ring: a layer can be told from this exchange. Disc: the patient told it.{more}",
            strip.disclosure(disclosed[:MOST_DISCLOSED], title="Disclosure timeline, by exchange"),
        )
    yield from _pace(report)


def _states(report: Report) -> Figure:
    paths = report.metrics["trajectories"] if report.metrics else {}
    longest = max(map(len, paths.values()), default=0)
    series = [
        Series(name, [(float(at), value) for at, value in enumerate(values, 1)], strip.COLOURS[name])
        for name, values in paths.items()
        if name in strip.COLOURS
    ]
    title = "The patients' inner state, mean by exchange"
    text = "Simulated quantities from 0 to 1, not clinical measurements."
    return Figure("states", title, text, lines(series, Axis("exchange", 1, longest), Axis("state"), title=title))


def _repetition(report: Report) -> Figure:
    means = {speaker: report.repeats.means(speaker) for speaker in Speaker}
    last = max((points[-1][0] for points in means.values() if points), default=1.0)
    top = max((share for points in means.values() for _, share in points), default=0.0)
    high = next((level for level in (0.1, 0.25, 0.5) if top <= level), 1.0)
    series = [Series(str(speaker), points, str(speaker)) for speaker, points in means.items()]
    title = "Repetition by exchange"
    text = (
        "Share of a turn's word 4-grams that its speaker said before; mean by exchange over "
        f"{counted(report.repeats.sessions, 'session')}."
    )
    x, y = Axis("exchange", 1, last), Axis("said before", 0, high, percent=True)
    return Figure("repetition", title, text, lines(series, x, y, title=title))


def _pace(report: Report) -> Iterator[Figure]:
    if report.pace is None or not any(rate for _, rate in report.pace.rate):
        return  # nothing was generated: replayed or imported sessions
    x = Axis("seconds from the first turn", 0, report.pace.seconds)
    top = max((rate for _, rate in report.pace.rate), default=0.0)
    rate = [Series("tokens/s", report.pace.rate, "therapist")]
    title = "Tokens generated per second"
    yield Figure(
        "pace",
        title,
        "All turns of the run, by time.",
        lines(rate, x, Axis("tokens/s", 0, top), title=title, height=140),
    )
    cached = [Series("from cache", report.pace.cached, "c5")]
    title = "Share of prompt tokens from the cache"
    y = Axis("share", 0, 1, percent=True)
    yield Figure(
        "cache", title, "Turns whose engine reports cached tokens.", lines(cached, x, y, title=title, height=140)
    )
