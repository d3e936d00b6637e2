"""`inspect`: one `.eval` log per run for `inspect view`, with one sample per session.

Each sample contains its messages once. Events are short info events that do not repeat them.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from harness.config.credentials import without
from harness.errors import ConfigError
from harness.exports.files import make_folder
from harness.exports.job import Job, Written, exporter
from harness.exports.rows import facts
from harness.exports.runs import ExportedRun, Judged
from harness.metrics.aggregate import numbers
from harness.paths import install_command
from harness.store.lines import event_fields
from harness.store.played import Played
from harness.types import Speaker


@exporter("inspect", takes=("where",))
def inspect(job: Job) -> Written:
    """Write RUN.eval for every run."""
    try:
        from inspect_ai.log import write_eval_log
    except ImportError as error:
        raise ConfigError(f"inspect: needs inspect-ai; {install_command('inspect')}") from error
    make_folder(job.out)
    written = Written(unit="samples", left_out=job.counts.left_out)
    for run in job.runs:
        samples = [
            _sample(run, session, number)
            for number, session in enumerate(run.sessions(), 1)
            if _wanted(job, run, session)
        ]
        name = file_name(run.path, written.files)
        write_eval_log(_log(run, samples), str(job.out / name))
        written.files[name] = len(samples)
    return written


def file_name(run: Path, taken: Collection[str]) -> str:
    """RUN.eval; PARENT-RUN.eval if that is taken, and with a number if both are."""
    known = (f"{run.parent.name}-{run.name}{number}" for number in ("", *(f"-{n}" for n in range(2, len(taken) + 3))))
    return next(f"{name}.eval" for name in (run.name, *known) if f"{name}.eval" not in taken)


def _wanted(job: Job, run: ExportedRun, session: Played) -> bool:
    if job.wanted.where is None or job.wanted.where(facts(run, session)):
        return True
    job.counts.left_out["not in --where"] += 1
    return False


def _log(run: ExportedRun, samples: Sequence[Any]) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec, EvalStats

    record = run.record
    model = record.provenance.models.get(str(Speaker.THERAPIST))
    began, ended = record.started_at.isoformat(), (record.finished_at or record.started_at).isoformat()
    return EvalLog(
        status="success",
        eval=EvalSpec(
            created=began,
            task=record.name,
            dataset=EvalDataset(name=run.path.name, samples=len(samples), sample_ids=[one.id for one in samples]),
            model=f"therapist-harness/{Path(model.path).name if model else record.source}",
            config=EvalConfig(),
            metadata={
                "config_hash": record.config_hash,
                "source": str(record.source),
                "config": without(record.config),
            },
        ),
        results=EvalResults(total_samples=len(samples), completed_samples=len(samples)),
        stats=EvalStats(started_at=began, completed_at=ended),
        samples=list(samples),
    )


def _sample(run: ExportedRun, session: Played, number: int) -> Any:
    from inspect_ai.event import InfoEvent
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, ModelOutput
    from inspect_ai.scorer import Score

    said: list[Any] = [
        ChatMessageUser(content=turn.text)
        if turn.speaker is Speaker.PATIENT
        else ChatMessageAssistant(content=turn.text)
        for turn in session.turns
    ]
    system = (session.started.get(Speaker.THERAPIST) or {}).get("system")
    judged = run.judged.get(session.spec.session_id, Judged())
    scores = {name: Score(value=value) for name, value in judged.session.items()}
    spec = session.spec
    last = next((turn.text for turn in reversed(session.turns) if turn.speaker is Speaker.THERAPIST), "")
    return EvalSample(
        id=spec.session_id,
        epoch=1,
        input=f"persona {spec.persona_id}, seed {spec.seed}",
        target="",
        messages=[*([ChatMessageSystem(content=system)] if system else []), *said],
        output=ModelOutput.from_content("therapist", last),
        scores=scores or None,
        metadata={
            "source": str(spec.source),
            "stop_reason": str(session.stop_reason),
            "meta": dict(spec.meta),
            **{f"metric.{name}": value for name, value in numbers(session.metrics)},
        },
        events=[InfoEvent(source="therapist-harness", data=event_fields(event)) for event in session.events],
    )
