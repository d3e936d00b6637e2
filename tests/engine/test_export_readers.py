"""Exports in the hands of those who read them: datasets, TRL's trainers, Inspect, DuckDB."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.errors import ConfigError
from harness.store.records import read_sessions
from tests.fixtures.tiny_model import tiny_model

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sessions of the dry engine, and branches of them."""
    folder = tmp_path_factory.mktemp("readers") / "run"
    played = ["engine=dry", "max_exchanges=4", "engine.max_model_len=2048", "sessions_per_persona=2"]
    words = [*played, "personas=[two-cups,last-appointment,left-in-march]", f"model.path={small_model}"]
    assert main(["run", *words, f"run.dir={folder}"]) == 0
    assert main(["branch", str(folder), "--turn", "3", "--k", "3", f"run.dir={folder.parent / 'branches'}"]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """Every format of these."""
    out = run.parent
    assert main(["export", str(run), "--format", "sft", "--out", str(out / "sft"), "--split", "persona=0.6"]) == 0
    for form in ("kto", "messages", "sharegpt", "parquet", "inspect"):
        assert main(["export", str(run), "--format", form, "--out", str(out / form)]) == 0
    pairs = ["--format", "dpo", "--out", str(out / "dpo"), "--by", "variant"]
    assert main(["export", str(out / "branches"), *pairs]) == 0
    return out


@pytest.fixture(scope="module")
def tiny(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(small_model, tmp_path_factory.mktemp("tiny"), width=32)


@pytest.mark.parametrize("form", ["sft", "kto", "messages", "sharegpt", "dpo"])
def test_datasets_loads_the_folder_by_its_card(exported: Path, form: str) -> None:
    from datasets import load_dataset

    loaded = load_dataset(str(exported / form), cache_dir=str(exported / "cache"))
    assert set(loaded) == ({"train", "test"} if form == "sft" else {"train"})
    assert len(loaded["train"]) > 0
    lines = (exported / form / "train.jsonl").read_text().splitlines()
    assert len(loaded["train"]) == len(lines)


def options(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder), "max_steps": 1, "per_device_train_batch_size": 2, "report_to": "none", "use_cpu": True,
        "max_length": None, "save_strategy": "no",
    }  # fmt: skip


def test_trl_takes_an_sft_step_with_the_loss_on_the_completion_alone(
    exported: Path, tiny: Path, tmp_path: Path
) -> None:
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    rows = load_dataset(str(exported / "sft"), cache_dir=str(exported / "cache"))["train"]
    trainer = SFTTrainer(str(tiny), SFTConfig(**options(tmp_path)), train_dataset=rows)
    batch = next(iter(trainer.get_train_dataloader()))
    whole = {tuple(row["input_ids"]): row for row in rows}
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        row = whole[tuple(ids[mask.bool()].tolist())]
        assert labels[labels != -100].tolist() == row["completion_ids"]
    assert trainer.train().global_step == 1


def test_trl_takes_a_dpo_step(exported: Path, tiny: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer

    rows = load_dataset(str(exported / "dpo"), cache_dir=str(exported / "cache"))["train"]
    trainer = DPOTrainer(str(tiny), args=DPOConfig(**options(tmp_path)), train_dataset=rows)
    made = {tuple(row["prompt_ids"]) for row in trainer.train_dataset}
    assert made == {tuple(row["prompt_ids"]) for row in rows}  # TRL's own tokenizing gives the prompts that were sent
    assert trainer.train().global_step == 1


def test_trl_takes_a_kto_step(exported: Path, tiny: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import KTOConfig, KTOTrainer

    rows = load_dataset(str(exported / "kto"), cache_dir=str(exported / "cache"))["train"]
    trainer = KTOTrainer(str(tiny), args=KTOConfig(**options(tmp_path)), train_dataset=rows)
    assert trainer.train().global_step == 1


def test_inspect_lists_and_reads_the_log_and_repeats_nothing(run: Path, exported: Path) -> None:
    from inspect_ai.log import list_eval_logs, read_eval_log

    (info,) = list_eval_logs(str(exported / "inspect"))
    log = read_eval_log(info)
    assert log.status == "success"
    assert log.samples is not None
    assert len(log.samples) == 6
    sample = next(one for one in log.samples if one.id == "two-cups-000")
    assert [message.role for message in sample.messages] == ["system", *["user", "assistant"] * 4]
    texts = [message.text for message in sample.messages if message.role == "user"]
    assert all(text not in event.model_dump_json() for text in texts for event in sample.events)


def test_duckdb_and_scouts_columns(exported: Path) -> None:
    from harness.exports.sql import ask

    tables = [exported / "parquet"]
    answer = ask(tables, "select speaker, count(*) from turns group by 1 order by 1")
    assert answer.rows == [("patient", 24), ("therapist", 24)]
    asked = "select transcript_id, messages, source_type, source_id, source_uri, score from sessions order by 1 limit 1"
    (row,) = ask(tables, asked).rows
    assert row[0] == "run/last-appointment-000"
    assert row[1].startswith('[{"role":"user","content":')
    found = ask(tables, "select metrics->>'$.exchanges' from sessions limit 1").rows
    assert found == [("4",)]


def test_sql_reads_tables_in_a_folder_of_any_name_and_refuses_those_it_can_not_read(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.exports.sql import ask

    tables = tmp_path / "[it's] a*b?"
    shutil.copytree(exported / "parquet", tables)
    assert ask([tables], "select count(*) from sessions").rows == [(6,)]
    query = "select 1.5 as decimal, 'nan'::double as missing, [1.5] as listed"
    capsys.readouterr()
    assert main(["sql", str(tables), query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"decimal": 1.5, "missing": None, "listed": [1.5]}
    assert main(["sql", str(tables), "select 1 as a, 2 as a", "--json"]) == 2
    (tables / "turns.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"turns\.parquet"):
        ask([tables], "select count(*) from sessions")


def test_pandas_reads_the_tables_and_what_is_nested_in_them(exported: Path) -> None:

    import pandas

    sessions = pandas.read_parquet(exported / "parquet" / "sessions.parquet")
    turns = pandas.read_parquet(exported / "parquet" / "turns.parquet")
    assert list(sessions["turns"]) == [8] * 6
    assert turns.groupby("speaker")["completion_tokens"].sum().gt(0).all()
    said = sessions["messages"].map(json.loads)
    assert [[message["role"] for message in one] for one in said] == [["user", "assistant"] * 4] * 6
    assert sessions["metrics"].map(json.loads).map(lambda metrics: metrics["exchanges"]).eq(4).all()
    joined = turns.merge(sessions[["session_id", "seed"]], on="session_id")
    assert len(joined) == len(turns) == 48


def test_sharegpt_has_the_keys_that_trainers_ask_for_and_comes_back_by_import(exported: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(exported / "sharegpt"), cache_dir=str(exported / "cache"))["train"]
    assert {frozenset(said) for row in rows for said in row["conversations"]} == {frozenset({"from", "value"})}
    assert {said["from"] for row in rows for said in row["conversations"]} == {"system", "human", "gpt"}
    words = ["--format", "sharegpt", "--licence", "unknown", "--source", "the dry engine"]
    file = str(exported / "sharegpt" / "train.jsonl")
    assert main(["import", file, *words, "--out", str(tmp_path / "back")]) == 0
    back = {
        one.session_id: [turn.text for turn in one.turns] for one in read_sessions(tmp_path / "back" / "sessions.jsonl")
    }
    assert back == {
        row["session_id"]: [said["value"] for said in row["conversations"] if said["from"] != "system"] for row in rows
    }
