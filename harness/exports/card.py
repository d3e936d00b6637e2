"""The dataset card: README.md with a YAML head for `datasets`, and what a reader must know before training."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from harness.exports.job import Job, Written, record_of
from harness.paths import __version__
from harness.types import Source

_ABOUT = {
    Source.SIMULATED: "simulated: both speakers are language models",
    Source.REPLAYED: "replayed: the patient's lines are recorded, the therapist is a language model",
    Source.BRANCHED: "simulated, branched from turns of other sessions",
    Source.IMPORTED: "imported transcripts of people or of other systems",
    Source.HUMAN: "a person took part",
}


NOT_GIVEN = "not given (text by models, under the terms of these models)"


def card(job: Job, written: Written) -> str:
    """The text of an export's README.md."""
    licences = _licences(job)
    head = {
        "license": next(iter(licences)).lower() if len(licences) == 1 and NOT_GIVEN not in licences else "other",
        "tags": ["therapist-harness", *sorted({str(run.record.source) for run in job.runs})],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name.split(".")[0], "path": name} for name in written.files],
            }
        ],
    }
    return "\n".join(
        [
            "---",
            yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(),
            "---",
            "# Sessions of the therapist harness",
            "",
            "Simulations for engineering and research: no medical device, and nothing here is clinical evidence. "
            "No person said any part of a simulated row.",
            "",
            *_counts(written),
            "",
            *_sources(job),
            "",
            "## Licence",
            "",
            *[f"- {name}: {n} sessions" for name, n in licences.items()],
            "",
            "## How it was made",
            "",
            f"By therapist-harness {__version__} on {datetime.now(UTC):%Y-%m-%d}, with these options:",
            "",
            "```json",
            json.dumps(record_of(job), indent=1, ensure_ascii=False),
            "```",
            "",
        ]
    )


def _counts(written: Written) -> list[str]:
    lines = ["| | rows |", "| --- | --- |", *(f"| {name} | {n} |" for name, n in written.files.items())]
    lines += [f"| left out: {reason} | {n} |" for reason, n in sorted(written.left_out.items())]
    return lines


def _sources(job: Job) -> list[str]:
    lines = ["## Where rows come from", ""]
    for run in job.runs:
        record = run.record
        lines.append(f"- `{run.path.name}`: {_ABOUT[record.source]}; config {record.config_hash[:12]}")
        lines += [
            f"  - {role}: {model.path.rsplit('/', 1)[-1]} (sha256 {str(model.sha256)[:12]})"
            for role, model in record.provenance.models.items()
        ]
        given: Mapping[str, Any] = record.config.get("import") or {}
        lines += [f"  - source: {source}" for source in given.get("sources", [])]
    return lines


def _licences(job: Job) -> dict[str, int]:
    """The number of sessions by licence. Sessions of our own runs have the licence that the user gives."""
    found: Counter[str] = Counter()
    for run in job.runs:
        for session in run.sessions() if run.imported else ():
            found[str(session.spec.meta.get("licence", "unknown"))] += 1
        if not run.imported:
            found[job.licence or NOT_GIVEN] += run.record.totals.finished
    return dict(found)
