"""Judges a run folder: its sessions and courses, then the controls; writes scores, gates and the certificate.

Invariants:
- scores.jsonl, gates.jsonl and certificate.json are derived: written completely from judgements.jsonl, or not at all.
- Results of other judges and of other rubrics are kept.
- Only one process at a time judges a folder, and never while the run is being played.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

import orjson

from harness.config.schema import RunConfig
from harness.errors import HarnessError
from harness.judges import sources
from harness.judges.asking import Judge
from harness.judges.certificate import certify
from harness.judges.controls import Controls, choose, make
from harness.judges.judgements import Judgements
from harness.judges.judging import Judged, Plan
from harness.judges.pages import write_pages
from harness.judges.records import (
    GATES,
    SCORES,
    Certificate,
    ItemCertificate,
    JudgeCertificate,
    Score,
    line,
    read_certificate,
    read_gates,
    read_scores,
)
from harness.judges.run import ahead, judge_all
from harness.judges.start import Prepared, same_model
from harness.judges.start import make as make_judge
from harness.judges.status import Status
from harness.judges.subject import Subject
from harness.judges.written.library import sessions as written_sessions
from harness.paths import persona_dir
from harness.personas.library import load as load_personas
from harness.personas.schema import Persona
from harness.store.files import replacing, storage_error, write_whole
from harness.store.records import CERTIFICATE, RunRecord, read_record


class Listener(Protocol):
    """Is told of the progress of judging."""

    def judging(self, folder: Path, judge: str, sessions: int, controls: int) -> None: ...

    def judged(self, judged: Judged, judge: Judge) -> None: ...

    def say(self, line: str) -> None: ...


class Unheard:
    """A listener that does nothing."""

    def judging(self, folder: Path, judge: str, sessions: int, controls: int) -> None: ...

    def judged(self, judged: Judged, judge: Judge) -> None: ...

    def say(self, line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """The result of judging a folder."""

    folder: Path
    certificate: JudgeCertificate
    scores: int
    failed: int
    """Scores that have no value because a request failed."""
    sent: int
    reused: int
    prompt_tokens: int
    cached_tokens: int


def controls_for(prepared: Prepared) -> Controls:
    """The controls of a judging run; none with `controls=0`."""
    if not prepared.config.controls:
        return Controls((), (), 0)
    clean = choose(written_sessions())
    wanted = sorted({session.persona for session in clean})
    personas = {persona.id: persona for persona in load_personas(wanted, [persona_dir()])}
    return make(prepared.rubrics, clean, prepared.config.controls, personas)


def judged_before(folder: Path, prepared: Prepared, judgements: Judgements) -> Judge:
    """The judge without a model: it uses recorded answers, and splits transcripts into the same windows as then."""
    judge = make_judge(prepared, judgements, None, None)
    known = read_certificate(folder).judges.get(judge.name)
    judge.budget = known.prompt_budget if known and known.prompt_budget else judge.budget
    return judge


async def judge_folder(
    folder: Path,
    prepared: Prepared,
    judge: Judge,
    controls: Controls,
    listener: Listener,
    personas: Mapping[str, Persona],
) -> Result:
    """Judge a finished run; the caller must hold its lock. `personas` are those with which it was played.

    Raises `EngineUnavailable` and `StorageError`; answers until then are kept.
    """
    record = read_record(folder)
    plan = Plan(prepared.rubrics, prepared.config.repeats, prepared.config.orders)
    warnings = _warnings(prepared, record)
    for warning in warnings:
        listener.say(f"warning: {warning}")
    listener.judging(folder, judge.name, sources.count(folder), len(controls.subjects))
    subjects: Iterable[Subject] = chain(
        sources.subjects(folder, personas, courses=prepared.config.courses), controls.subjects
    )
    of_controls: list[Score] = []
    counted = _Counted()
    try:
        with replacing(folder / SCORES) as scores, replacing(folder / GATES) as gates:
            _keep(folder, judge.name, plan, scores, gates)
            side = ahead(judge.limit, plan)
            async for judged in judge_all(judge, plan, subjects, side_by_side=side):
                if judged.subject.only_items is not None:
                    of_controls += [_light(score) for score in judged.scores]
                else:
                    for score in judged.scores:
                        scores.write(line(score))
                        counted.add(score)
                    for gate in judged.gates:
                        gates.write(line(gate))
                listener.judged(judged, judge)
            await judge.judgements.committed()
    except OSError as error:
        raise storage_error(folder, "write scores", error, "mend that, then judge again: no answer is lost") from error
    items = certify(prepared.rubrics, controls, of_controls)
    certificate = _certificate(prepared, judge, items, controls, warnings)
    _write_certificate(folder, certificate, [rubric.id for rubric in prepared.rubrics])
    write_pages(folder, judge.name)
    return Result(
        folder,
        certificate,
        counted.scores,
        counted.failed,
        judge.sent,
        judge.reused,
        judge.prompt_tokens,
        judge.cached_tokens,
    )


class _Counted:
    def __init__(self) -> None:
        self.scores = self.failed = 0

    def add(self, score: Score) -> None:
        self.scores += 1
        self.failed += score.status is Status.ENGINE_ERROR


def _light(score: Score) -> Score:
    """The score of a control without the fields that the certificate does not need."""
    return score.model_copy(update={"evidence": (), "reason": "", "turns": ()})


def _keep(folder: Path, judge: str, plan: Plan, scores: BinaryIO, gates: BinaryIO) -> None:
    """Copy the results of other judges, and of other rubrics of this judge."""
    own = {rubric.id for rubric in plan.rubrics}
    for score in read_scores(folder):
        if score.judge != judge or score.rubric not in own:
            scores.write(line(score))
    for gate in read_gates(folder):
        if gate.judge != judge or gate.rubric not in own:
            gates.write(line(gate))


def _warnings(prepared: Prepared, record: RunRecord) -> list[str]:
    try:
        config = RunConfig.model_validate(record.config)
    except (HarnessError, ValueError):
        return []
    roles = [(str(speaker), role) for speaker, role in config.roles()]
    found = same_model(prepared, roles)
    if prepared.config.repeats > 1 and prepared.config.judge.sampling.temperature == 0:
        found.append("repeats at temperature 0 are mostly identical")
    return found


def _certificate(
    prepared: Prepared, judge: Judge, items: Sequence[ItemCertificate], controls: Controls, warnings: Sequence[str]
) -> JudgeCertificate:
    good = sum(item.certified for item in items)
    verdict = "certified" if good == len(items) else "partly certified" if good else "not certified"
    return JudgeCertificate(
        judge=prepared.identity.name,
        model=prepared.identity.model.path,
        engine=prepared.role.engine.kind,
        fingerprint=prepared.identity.fingerprint,
        prompt_budget=judge.budget,
        controls=controls.sessions,
        verdict=verdict,  # type: ignore[arg-type]
        warnings=tuple(warnings),
        items=tuple(items),
    )


def _write_certificate(folder: Path, found: JudgeCertificate, rubrics: Sequence[str]) -> None:
    """Write a judge's certificate. Those of other judges, and its items of other rubrics, are kept."""
    old = read_certificate(folder)
    before = old.judges.get(found.judge)
    kept = tuple(item for item in before.items if item.rubric not in rubrics) if before else ()
    if kept:
        items = (*kept, *found.items)
        good = sum(item.certified for item in items)
        verdict = "certified" if good == len(items) else "partly certified" if good else "not certified"
        found = found.model_copy(update={"items": items, "verdict": verdict})
    record = Certificate(judges={**old.judges, found.judge: found})
    try:
        write_whole(folder / CERTIFICATE, orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise storage_error(folder / CERTIFICATE, "write", error, "mend that, then judge again") from error
