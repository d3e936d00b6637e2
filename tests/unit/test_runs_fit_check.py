"""The fit check counts prompts, compactions and evicted turns for each persona."""

from harness.runs.fit_check import check_fit
from harness.store.records import SessionRecord
from harness.types import Event, Speaker, StopReason, Turn


def _session(persona: str, prompts: list[tuple[int, int]], compactions: int) -> SessionRecord:
    turns = tuple(
        Turn(
            i, Speaker.PATIENT, "x", prompt_tokens=tokens, max_new_tokens=100, max_model_len=1000, evicted_turns=evicted
        )
        for i, (tokens, evicted) in enumerate(prompts)
    )
    events = tuple(Event("compaction", 0, Speaker.PATIENT) for _ in range(compactions))
    events += (Event("loop", 0, Speaker.PATIENT),)
    return SessionRecord(
        session_id="s", persona_id=persona, seed=0, stop_reason=StopReason.MAX_EXCHANGES, turns=turns, events=events
    )


def test_the_tightest_persona_comes_first_with_its_own_numbers() -> None:
    fits = check_fit(
        [
            _session("short", [(100, 0), (200, 0)], 0),
            _session("long", [(500, 2), (700, 0)], 1),
            _session("long", [(890, 6)], 2),
        ]
    )
    assert [fit.persona_id for fit in fits] == ["long", "short"]
    tight = fits[0]
    assert (tight.sessions, tight.longest_prompt, tight.least_free) == (2, 890, 10)
    assert (tight.compactions, tight.evicted_turns) == (3, 6)
    assert fits[1].least_free == 700


def test_a_replayed_patient_has_no_prompts_to_fit() -> None:
    (fit,) = check_fit([_session("replayed", [], 0)])
    assert (fit.longest_prompt, fit.least_free) == (0, None)
