"""Courses of therapy as users ask for them, on the dry engine: whole, killed and resumed, and failing on the way."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.e2e.test_resume import played_with_kills
from tests.fixtures.loopback_server import LoopbackServer
from tests.fixtures.processes import comparable, harness

PERSONAS = "personas=[skeptical-bullied-overwhelmed,two-cups]"


def words(folder: Path, small_model: Path, *more: str) -> tuple[str, ...]:
    return (
        *("run", "engine=dry", f"model.path={small_model}", f"run.dir={folder}", PERSONAS, "course.sessions=3"),
        *("max_exchanges=7", "engine.max_model_len=2048", "context=summarize", "engine.latency_s=0.03"),
        *("therapist.max_new_tokens=128", "patient.max_new_tokens=128", *more),
    )


def test_a_killed_course_ends_as_an_undisturbed_one_and_every_prompt_can_be_shown(
    small_model: Path, tmp_path: Path
) -> None:
    plain, torn = tmp_path / "plain", tmp_path / "torn"
    done = harness(*words(plain, small_model, "engine.latency_s=0"))
    assert done.returncode == 0, done.stderr
    played_with_kills(torn, words(torn, small_model))
    found = comparable(plain)
    assert comparable(torn) == found
    ids = [f"{persona}-000.{n}" for persona in ("skeptical-bullied-overwhelmed", "two-cups") for n in (1, 2, 3)]
    assert sorted(found) == ids
    for name in ids:
        number, session = int(name[-1]), found[name]
        assert (session["course"], session["number"]) == (name[:-2], number)
        notes = [event["note"] for event in session["events"] if event["kind"] == "handover"]
        assert len(notes) == (number < 3)
        if number < 3:
            following = found[f"{name[:-1]}{number + 1}"]
            state = next(event["state"] for event in session["events"] if event["kind"] == "handover")
            assert following["turns"][0]["patient_state"]["trust"] == state["trust"]
            for turn in (0, 1) if number == 2 and name.startswith("two") else ():
                shown = harness("show", str(torn), following["session_id"], "--turn", str(turn), "--json")
                assert shown.returncode == 0, shown.stderr
                assert notes[0] in json.loads(shown.stdout)["prompt"]


class Breaking(LoopbackServer):
    """Refuses everything after its first seven answers, until it is mended."""

    mended = False

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        if self._count == 7 and not self.mended:
            self.refuse = {"message": "broken"}
        return super()._answer(body, text)


async def test_a_failed_session_ends_its_course_and_a_retry_goes_on_with_it(small_model: Path, tmp_path: Path) -> None:
    """Two exchanges and a note make five answers a session: the second session breaks after its second turn."""
    folder, name = tmp_path / "run", "two-cups-000"
    server = Breaking(max_model_len=4096)
    async with server.running():
        done = await asyncio.to_thread(
            harness,
            *("run", "engine=openai", f"engine.base_url={server.base_url}", f"model.path={small_model}"),
            *(f"run.dir={folder}", "personas=two-cups", "course.sessions=4", "max_exchanges=2", "guard=off"),
        )
        assert done.returncode == 1, done.stderr
        assert "1/4 sessions" in done.stderr
        assert "1 failed (see failures.jsonl), 2 not played after a failure in their course" in done.stderr
        (failure,) = comparable(folder, "failures.jsonl").values()
        assert (failure["session_id"], failure["course"], failure["number"]) == (f"{name}.2", name, 2)
        assert failure["message"].endswith("not played: the 2 sessions that follow it in its course")
        first = comparable(folder)[f"{name}.1"]

        again = await asyncio.to_thread(harness, "resume", str(folder))
        assert again.returncode == 1, again.stderr
        assert list(comparable(folder)) == [f"{name}.1"]  # a failure is not passed over

        server.mended, server.refuse, asked = True, None, len(server.bodies)
        mended = await asyncio.to_thread(harness, "resume", "--retry-failed", str(folder))
        assert mended.returncode == 0, mended.stderr
        (note,) = [event["note"] for event in first["events"] if event["kind"] == "handover"]
        assert (
            f"This is your session 2 with this therapist.\nNotes on the sessions before, in which you are the patient:\n{note}"
            in (server.bodies[asked]["messages"][0]["content"])
        )
    sessions = comparable(folder)
    assert list(sessions) == [f"{name}.{number}" for number in (1, 2, 3, 4)]
    assert sessions[f"{name}.1"] == first
    assert sessions[f"{name}.2"]["turns"][:2] == failure["turns"]
    assert not comparable(folder, "failures.jsonl")


def test_a_course_of_one_session_is_a_session_alone(small_model: Path, tmp_path: Path) -> None:
    for name, sessions in (("one", 1), ("two", 2)):
        done = harness(
            *words(tmp_path / name, small_model, "engine.latency_s=0"),
            f"course.sessions={sessions}",
            *(("course.note=digest",) if sessions > 1 else ()),
        )
        assert done.returncode == 0, done.stderr
    one, two = comparable(tmp_path / "one"), comparable(tmp_path / "two")
    assert sorted(one) == ["skeptical-bullied-overwhelmed-000", "two-cups-000"]
    for name, session in one.items():
        assert "course" not in session
        assert session["turns"] == two[f"{name}.1"]["turns"]
        notes = [event for event in two[f"{name}.1"]["events"] if event["kind"] == "handover"]
        assert [note["by"] for note in notes] == ["digest"]
