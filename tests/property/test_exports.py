"""Every row of an export is what a model really saw: over templates, policies and windows, simulated and imported."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.__main__ import main
from harness.context.render.renderer import Renderer
from harness.exports.split import split_of
from harness.store.sampled import pack_ids, sampled_fields, sampled_of, unpack_ids
from harness.types import Message, Request, Sampled
from tests.fixtures.exported import check_export, check_row, rows
from tests.fixtures.templates import tokenizer

FAMILIES = ("llama3", "qwen3", "gemma", "mistral_v3", "chatml")


@pytest.fixture(scope="module")
def folders(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of tokenizer files for each family."""
    made = {}
    for family in FAMILIES:
        made[family] = tmp_path_factory.mktemp("tokenizers") / family
        tokenizer(family, small_model).save_pretrained(made[family])
        (made[family] / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 32768}')
    return made


@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid", "none"])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_what_show_prints_and_the_engine_got(
    family: str, policy: str, folders: dict[str, Path], sent: Mapping[str, Request], tmp_path: Path
) -> None:
    check_export(folders[family], policy, sent, tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["therapist", "patient"])
def test_imported_rows_fit_and_go_on_as_the_template_has_it(
    family: str, side: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """A long session of people in a small window, the therapist speaking first."""
    texts = [f"Well number {i} is what it is and I go on about it for a while , don't I ?" for i in range(60)]
    talk = "\n\n".join(f"{('Therapist', 'Patient')[i % 2]}: {text}" for i, text in enumerate(texts))
    (tmp_path / "talk.txt").write_text(talk)
    rights = ["--licence", "CC0-1.0", "--source", "made up", "--persona", "two-cups"]
    run, out = tmp_path / "run", tmp_path / "out"
    assert main(["import", str(tmp_path / "talk.txt"), "--format", "text", "--out", str(run), *rights]) == 0
    settings = [f"model.path={folders[family]}", "engine.max_model_len=1536", f"{side}.max_new_tokens=64"]
    options = ["--out", str(out), "--side", side, "--keep", "all"]
    assert main(["export", str(run), "--format", "sft", *options, *settings]) == 0
    found = list(rows(out))
    assert [row["turn"] for row in found] == list(range(side == "patient", 60, 2))
    renderer = Renderer.load(folders[family])
    for row in found:
        check_row(row, renderer)
        assert not row["sampled"]
        assert list(renderer.render_full([_message(one) for one in row["messages"]])) == row["prompt_ids"]
    assert found[-1]["messages"][-1]["content"] == texts[59 - 1 if side == "patient" else 57]


def _message(fields: dict[str, str]) -> Message:
    return Message(fields["role"], fields["content"])  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 2**24 - 1), max_size=40))
def test_ids_come_back_as_they_were_sampled(ids: list[int]) -> None:
    assert unpack_ids(pack_ids(ids)) == tuple(ids)
    assert len(pack_ids(ids)) == 4 * len(ids)


@given(
    st.builds(
        Sampled,
        st.lists(st.integers(0, 2**24 - 1), max_size=9).map(tuple),
        st.none() | st.integers(0, 2**24 - 1),
        st.lists(st.floats(-50, 0, width=32), max_size=9).map(tuple),
    )
)
def test_what_is_known_of_a_turn_survives_the_journal(sampled: Sampled) -> None:
    fields = orjson.loads(orjson.dumps(sampled_fields(sampled)))
    assert sampled_of(fields, "here") == (sampled if fields else None)


@given(st.sets(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=30), st.floats(0.05, 0.95))
def test_a_split_holds_out_whole_personas_and_stays_when_others_come(personas: set[str], share: float) -> None:
    split = split_of(f"persona={share}", personas)
    assert 1 <= len(split.test) < len(personas)
    assert abs(len(split.test) - len(personas) * (1 - share)) <= 1
    assert split == split_of(f"persona={share}", sorted(personas))
    assert {split.part(persona) for persona in personas} == {"train", "test"}
