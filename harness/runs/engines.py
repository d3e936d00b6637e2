"""The engines of a run: starts or shares them, takes over their windows, and decides how many sessions they hold."""

from collections.abc import Mapping, Sequence

from harness.engines.base import Engine, EngineInfo
from harness.engines.concurrency import auto_concurrency
from harness.engines.pool import EnginePool, engine_key
from harness.errors import ConfigError
from harness.runs.prepare import RunSpec
from harness.runs.reporter import Reporter
from harness.sessions.factory import AgentFactory, check_fits
from harness.types import Speaker


def announce(spec: RunSpec, reporter: Reporter) -> None:
    """Print which engines are about to be started."""
    for speaker in spec.roles:
        reporter.starting(speaker, dict(spec.config.roles())[speaker])


async def start_engines(spec: RunSpec, pool: EnginePool) -> tuple[dict[Speaker, Engine], dict[str, EngineInfo]]:
    """Start or share the engines of a run and take over their windows. Raises `EngineError`, `ConfigError`."""
    engines: dict[Speaker, Engine] = {}
    infos: dict[str, EngineInfo] = {}
    for speaker, role in spec.roles.items():
        engines[speaker] = await pool.acquire(role)
        infos[str(speaker)] = info = pool.info(role)
        window = spec.role_contexts[speaker].window
        window.max_model_len = min(window.max_model_len, info.max_model_len)
    return engines, infos


def make_factory(spec: RunSpec, engines: Mapping[Speaker, Engine], infos: Mapping[str, EngineInfo]) -> AgentFactory:
    """Makes the agents of a run on started engines. Raises a `HarnessError` if prompts can't fit the windows."""
    check_fits(spec.config, spec.personas, spec.role_contexts)
    _estimate(spec, infos)
    return AgentFactory(spec.config, spec.role_contexts, engines, spec.lines)


def _estimate(spec: RunSpec, infos: Mapping[str, EngineInfo]) -> None:
    """Treat counts for servers that may count differently as estimates, with a margin if their windows have room."""
    windows = [
        role_context.window
        for speaker, role_context in spec.role_contexts.items()
        if not infos[str(speaker)].counts_as_we_do
    ]
    for window in windows:
        window.estimate()
    try:
        check_fits(spec.config, spec.personas, spec.role_contexts)
    except ConfigError:
        for window in windows:
            window.estimate(1.0)


def concurrency(specs: Sequence[RunSpec], pool: EnginePool) -> tuple[int, str]:
    """Sessions in flight and the reason as text: the number in the configs, or what the smallest engine holds."""
    asked = [spec.config.concurrency for spec in specs]
    numbers = [number for number in asked if number != "auto"]
    if numbers:
        return max(numbers), "as configured"
    return min(
        auto_concurrency(pool.info(role), _session_tokens(spec, engine_key(role)), role.engine.max_batch)
        for spec in specs
        for role in spec.roles.values()
    )


def in_flight(specs: Sequence[RunSpec]) -> int:
    """Most sessions that can be in flight at once: the number in the configs, or all sessions."""
    # Those of a course are played one after another.
    planned = sum(spec.sessions // (1 if spec.branches is not None else spec.config.course.sessions) for spec in specs)
    asked = [spec.config.concurrency for spec in specs if spec.config.concurrency != "auto"]
    return min(planned, max(asked)) if asked else planned


def tell_limits(infos: Mapping[str, EngineInfo], reporter: Reporter) -> None:
    """Print the batch limits of engines that chose them for this run."""
    for line in dict.fromkeys(dict(info.details).get("batch_limits") for info in infos.values()):
        if line is not None:
            reporter.say(f"vLLM: {line}")


def _session_tokens(spec: RunSpec, engine: str) -> int:
    """Most tokens of one session in an engine's cache: the views of the speakers that the engine serves."""
    config, persona = spec.config, spec.personas[0]
    said = config.max_exchanges * (config.patient.max_new_tokens + config.therapist.max_new_tokens)
    return sum(
        min(
            role_context.window.max_model_len,
            role_context.preamble(persona).base_tokens(note=False, direction_tokens=0) + said,
        )
        for role_context in spec.role_contexts.values()
        if engine_key(role_context.role) == engine
    )
