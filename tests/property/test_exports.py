"""Every row of an export is what a model really saw: over templates, policies, windows and seeds, simulated and imported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import harness
from harness.__main__ import main
from harness.context.render.renderer import Renderer
from harness.engines.dry.engine import DryEngine
from harness.store.archive import Archive
from harness.types import Generation, Message, Request, Speaker
from tests.fixtures.templates import tokenizer

FAMILIES = ("llama3", "qwen3", "gemma", "mistral_v3", "chatml")
Sent = dict[str, Request]


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        yield from map(orjson.loads, path.read_bytes().splitlines())


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What the engine got, by request id."""
    requests: Sent = {}
    generate = DryEngine.generate

    async def noted(self: DryEngine, request: Request) -> Generation:
        requests[request.request_id] = request
        return await generate(self, request)

    monkeypatch.setattr(DryEngine, "generate", noted)
    return requests


@pytest.fixture(scope="module")
def folders(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of tokenizer files for each family."""
    made = {}
    for family in FAMILIES:
        made[family] = tmp_path_factory.mktemp("tokenizers") / family
        tokenizer(family, small_model).save_pretrained(made[family])
        (made[family] / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 32768}')
    return made


def check_row(row: dict[str, Any], renderer: Renderer) -> None:
    """What holds for every row, wherever it comes from."""
    prompt, completion = row["prompt_ids"], row["completion_ids"]
    assert prompt
    assert completion
    assert row["input_ids"] == prompt + completion
    assert row["completion_mask"] == [0] * len(prompt) + [1] * len(completion)
    assert row["labels"] == [-100] * len(prompt) + completion
    assert len(row["input_ids"]) <= row["max_model_len"]
    assert len(completion) <= row["max_new_tokens"]
    assert completion[-1] in renderer.template.stop_ids
    assert not set(completion[:-1]) & set(renderer.template.stop_ids)
    assert renderer.decode(completion).strip() == row["completion"]


@pytest.mark.parametrize("policy", ["truncate", "summarize", "hybrid", "none"])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_what_show_prints_and_the_engine_got(
    family: str, policy: str, folders: dict[str, Path], sent: Sent, tmp_path: Path
) -> None:
    window = 16384 if policy == "none" else 2048
    run = harness.run(
        f"context={policy}", f"model.path={folders[family]}", f"engine.max_model_len={window}", "engine=dry",
        "personas=[two-cups]", "max_exchanges=20", f"seed={len(family) * 7 + len(policy)}",
        "therapist.max_new_tokens=160", "patient.max_new_tokens=160", run={"dir": str(tmp_path / "run")}, quiet=True,
    )  # fmt: skip
    archive = Archive(run.path)
    session = archive.session("two-cups-000")
    for side in Speaker:
        out = tmp_path / side
        assert main(["export", str(run.path), "--format", "sft", "--out", str(out), "--side", side]) == 0
        found = list(rows(out))
        assert len(found) > 8
        for row in found:
            shown = archive.prompt(session, row["turn"])
            draft = "" if row["draft"] == "0" else f".{row['draft']}"
            request = sent[f"{row['session_id']}/{row['turn']}{draft}"]
            assert row["prompt_ids"] == list(shown.ids) == list(request.prompt.ids or ())
            assert row["messages"] == [{"role": m.role, "content": m.content} for m in request.prompt.messages]
            assert len(row["prompt_ids"]) == session.turns[row["turn"]].prompt_tokens
            assert row["turn_seed"] == request.seed
            assert row["completion"] == session.turns[row["turn"]].text
            assert row["sampled"]
            assert row["canonical"]
            check_row(row, archive.renderer(side))
        assert policy == "none" or any(row["evicted_turns"] for row in found)


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
