"""Settings that are valid alone but contradict each other, and mistakes in the settings of a server."""

from collections.abc import Iterator

from harness.config.address import address_mistake
from harness.config.guard import GuardConfig
from harness.config.schema import EngineConfig, JudgingSettings, RoleConfig, RunConfig
from harness.types import Speaker

OWN_PARAMETERS = frozenset({"model", "messages", "prompt", "max_tokens", "max_completion_tokens", "stream", "n"})
"""Parameters of a request that the harness sets itself, so that `engine.extra_body` can't contain them."""


def contradictions(config: RunConfig) -> list[str]:
    """Settings that are valid alone but contradict each other, one line each."""
    lines: list[str] = []
    if not config.personas and not config.sample:
        lines.append("personas: an empty list; expected at least one id, all, or personas.sample=N")
    if config.executor.kind == "local":
        for key, given in (("replicas", config.executor.replicas != "auto"), ("address", config.executor.address)):
            if given:
                lines.append(f"executor.{key}: set, but executor=local plays in this process; choose executor=ray")
    for speaker, role in config.roles():
        lines += _window_contradictions(speaker, role)
        lines += server_mistakes(role.engine)
        if role.engine.kind == "openai" and not role.engine.base_url:
            lines.append(
                "engine.base_url: no value; engine=openai expects the server's address, as http://127.0.0.1:8000/v1"
            )
        if role.engine.kind in ("vllm", "transformers", "dry") and role.model.stand_in:
            lines.append(
                f"{speaker}.model: a stand-in for the model of a server, but engine={role.engine.kind} runs the model "
                "itself; choose engine=openai or another model"
            )
        if role.engine.kind in ("dry", "callable") and config.keep.logprobs:
            lines.append(
                f"keep.logprobs: true, but engine={role.engine.kind} samples no tokens and has none; choose another"
            )
        if role.engine.kind != "openai" and role.engine.base_url:
            lines.append(f"engine.base_url: set, but engine={role.engine.kind} uses no server; choose engine=openai")
    if config.judge is not None and config.executor.kind == "ray":
        lines.append(
            "judge: set, but executor=ray keeps its engines elsewhere; judge the run afterwards: python -m harness judge RUN"
        )
    if config.judge is None and config.judging != JudgingSettings():
        lines.append("judging: set, but no judge is chosen; choose one, as judge=default")
    if config.patient.kind == "replay" and config.patient.transcript is None:
        lines.append("patient.transcript: no value; patient=replay expects a transcript file")
    if config.patient.kind == "simulated" and config.patient.transcript is not None:
        lines.append("patient.transcript: set, but patient=simulated speaks for itself; choose patient=replay")
    if config.patient.kind == "replay" and config.course.sessions > 1:
        lines.append(
            f"course.sessions: {config.course.sessions}, but patient=replay speaks one recorded session; "
            "expected 1, or patient=simulated"
        )
    lines += _loop_contradictions(config.guard)
    return list(dict.fromkeys(lines))


def _loop_contradictions(guard: GuardConfig) -> Iterator[str]:
    for name in ("loop_turns", "question_turns", "opening_turns"):
        turns = getattr(guard, name)
        if turns > guard.window:
            yield f"guard.{name}: found {turns}, expected at most guard.window={guard.window} turns"


def server_mistakes(engine: EngineConfig) -> Iterator[str]:
    """Mistakes in the settings of a server, one line each; none contains a credential."""
    if engine.base_url and (mistake := address_mistake(engine.base_url)):
        yield f"engine.base_url: {mistake}"
    for name in sorted(OWN_PARAMETERS & engine.extra_body.keys()):
        yield f"engine.extra_body.{name}: the harness sets it itself; expected another parameter of the server"


def _window_contradictions(speaker: Speaker, role: RoleConfig) -> Iterator[str]:
    own, model = role.engine.max_model_len, role.model.max_model_len
    if own and model and own > model:
        yield f"engine.max_model_len: {own} is more than model.max_model_len={model} of {role.model.name}"
    window = own or model
    if window and role.max_new_tokens >= window:
        yield (
            f"{speaker}.max_new_tokens: {role.max_new_tokens} leaves no room for a prompt in max_model_len={window}; "
            f"expected less than {window}"
        )
