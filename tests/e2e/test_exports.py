"""Export: formats of plug-ins and options without effect; a log for other programs shows no credential."""

from pathlib import Path

import pytest

import harness
from harness.__main__ import main
from harness.config.plugins import EXPORTERS
from harness.errors import ConfigError
from harness.exports.inspect_logs import _log
from harness.exports.job import Job, Written, exporter
from harness.exports.runs import open_runs
from tests.fixtures.comparing import config, write_run


def test_a_log_shows_no_credential_that_an_older_version_recorded(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai")
    settings = config()
    settings["therapist"]["engine"] = {"kind": "openai", "api_key": "sk-0123456789abcdefghij"}
    (run,) = open_runs([write_run(tmp_path / "run", settings, [])])
    shown = _log(run, []).model_dump_json()
    assert "openai" in shown
    assert "sk-0123456789" not in shown


def test_a_plug_ins_format_gets_the_options_that_it_takes_and_no_others(tmp_path: Path) -> None:
    def counted(job: Job) -> Written:
        return Written({"counted": sum(1 for _ in job.sessions())})

    exporter("counted", takes=("side",))(counted)
    run = tmp_path / "run"
    (tmp_path / "talk.txt").write_text("Patient: Hi.\n\nTherapist: Hello.\n")
    rights = ["--licence", "x", "--source", "y"]
    assert main(["import", str(tmp_path / "talk.txt"), "--format", "text", "--out", str(run), *rights]) == 0
    try:
        assert harness.export(run, format="counted", out=tmp_path / "out", side="patient").files == {"counted": 1}
        with pytest.raises(ConfigError, match="--split: has no effect with --format counted"):
            harness.export(run, format="counted", out=tmp_path / "out", split="persona=0.5")
    finally:
        EXPORTERS.forget("counted")
    with pytest.raises(ConfigError, match="--keep: has no effect with --format kto"):
        harness.export(run, format="kto", out=tmp_path / "out", keep="mended")
    for margin in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"--margin: found .*, expected a number from 0 on"):
            harness.export(run, format="dpo", out=tmp_path / "out", margin=margin)
    with pytest.raises(ConfigError, match="no runs"):
        harness.export(format="sft", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="exporter 'conted'"):
        harness.export(run, format="conted", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="imported sessions share no prompts"):
        harness.export(run, format="dpo", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="--keep: 'cut': expected mended"):
        harness.export(run, format="sft", out=tmp_path / "out2", keep="cut")
