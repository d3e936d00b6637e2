"""The resolved configuration of a run: frozen pydantic models, extra keys forbidden.

Hydra composes YAML into a plain dict (`compose.py`); all other code uses these models. Both roles contain their engine
and model in full: a role inherits values that it leaves at null from the top level.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from harness.config import credentials, environment, plain_data
from harness.config.guard import GuardConfig
from harness.config.settings import Settings
from harness.errors import ConfigError
from harness.types import Sampling, Speaker


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _not_empty(value: object) -> object:
    """A path as given. An empty one would be the working directory, which nobody means."""
    if value == "":
        raise ValueError("a path, or null for none")
    return value


def _from_home(value: object) -> object:
    """A path whose `~` is the user's home; a shell leaves that to us after `KEY=`."""
    return Path(value).expanduser() if isinstance(value, str) and value.startswith("~/") else _not_empty(value)


def _unquoted_off(value: object) -> object:
    """`off`, which YAML reads as false if it is not quoted."""
    return "off" if value is False else value


MOST = 2**31 - 1
"""Largest count that every engine and file format accepts."""
Positive = Annotated[int, Field(gt=0, le=MOST)]
MONTH_S = 2_678_400.0
"""Longest wait that can be set, in seconds."""
Given = Annotated[Path, BeforeValidator(_not_empty)]
Place = Annotated[Path, BeforeValidator(_from_home)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
LengthProfile = Literal[
    "persona",
    "off",
    "terse",
    "average",
    "talkative",
    "typed",
    "spoken",
    "typed-terse",
    "typed-average",
    "typed-talkative",
    "spoken-terse",
    "spoken-average",
    "spoken-talkative",
]
MOST_SESSIONS = 100_000
"""Most sessions in flight: each takes memory, whether or not an engine can serve it."""
EngineKind = str
"""`auto`, or the name of a registered engine."""


class SamplingConfig(Settings):
    """How a role draws tokens; null inherits the model preset's value, then the engine's default."""

    temperature: float | None = Field(None, ge=0.0, le=5.0)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    top_k: Positive | None = None
    min_p: float | None = Field(None, ge=0.0, le=1.0)
    repetition_penalty: float | None = Field(None, gt=0.0, le=3.0)
    stop: tuple[str, ...] = ()

    def sampling(self) -> Sampling:
        return Sampling(**self.model_dump())


class ModelConfig(Settings):
    """Which weights and tokenizer a role uses."""

    path: str
    """A local folder, a hub id, or the name of a model that `python -m harness fetch` provides."""
    revision: str | None = None
    """Commit or tag of a hub id."""
    max_model_len: Positive | None = None
    """Window in tokens; null takes the model's own maximum."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    trust_remote_code: bool = False
    chat_template: Given | None = None
    """A Jinja file that replaces the tokenizer's own template."""
    stand_in: bool = False
    """openai: the tokenizer and template at `path` replace the server's, which are not at hand: prompts are sent as
    messages, and their tokens are estimated."""
    template_args: dict[str, Any] = Field({})
    """Arguments of the chat template, such as `enable_thinking: false`."""
    adapter: Given | None = None
    """Folder of a LoRA adapter on this base. In a config, `auto` is the adapter that ships for this model and role, if
    there is one and the engine is vLLM."""

    @property
    def name(self) -> str:
        """Short name for people: the last part of the path."""
        return Path(self.path).name


class EngineConfig(Settings):
    """The engine that serves a model. Keys that its kind does not use are refused if they would mislead."""

    kind: EngineKind = "auto"
    chosen_by_auto: bool = False
    """True if `auto` was given and `kind` is what it means on this machine."""
    max_model_len: Positive | None = None
    """Window in tokens; null takes the model's."""
    args: dict[str, Any] = Field({})
    """vLLM engine arguments by name, checked against the installed vLLM."""
    max_batch: Positive = 32
    """transformers: most requests generated together."""
    base_url: str | None = None
    """openai: address of the server, up to and with `/v1`."""
    model: str | None = None
    """openai: the server's name of the model; null asks `/v1/models`."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)] | None = None
    """openai: name of the environment variable with the key; the key itself is never in a config."""
    extra_body: dict[str, Any] = Field({})
    """openai: parameters by name that are added to every request; null leaves out one of ours."""
    request_timeout_s: float = Field(600.0, gt=0, le=86_400.0)
    outage_s: float = Field(21_600.0, gt=0, le=MONTH_S)
    """openai: seconds that a run waits for a server that went away."""
    max_restarts: Annotated[int, Field(ge=0, le=1000)] = 2
    """How often a dead engine is started again in one run."""
    latency_s: float = Field(0.0, ge=0, le=MONTH_S)
    """dry: seconds that every answer takes."""
    options: dict[str, Any] = Field({})
    """Settings of an engine that comes from a plug-in."""


class RoleConfig(Settings):
    """One speaker: its model, engine, sampling and prompt."""

    name: str
    prompt: str | None = None
    """A Jinja file; null for no system prompt. A relative path is looked up in the user's config folder, among the
    harness's own templates, and in the working directory, in this order. A user's file is stored as an absolute path, so
    that a run can be resumed from any folder."""
    max_new_tokens: Positive = 256
    """Longest turn in tokens; reserved in the window for every prompt."""
    model: ModelConfig
    engine: EngineConfig
    sampling: SamplingConfig


class TherapistConfig(RoleConfig):
    """The model under test."""

    session_plan: bool = False
    """Whether it is told the phase of the session (opening, exploring, working, closing)."""


class PatientConfig(RoleConfig):
    """Who plays the persona."""

    kind: Literal["simulated", "replay"] = "simulated"
    state: Annotated[Literal["auto", "rules", "model", "off"], BeforeValidator(_unquoted_off)] = "auto"
    """simulated: an inner state, changed by what the therapist does, directs the patient's model. What the therapist did is
    appraised by `rules`, or by the patient's own `model` (one more short request per turn). `auto` takes rules in a language
    that has cues for them, else the model. `off`: there is no inner state."""
    self_check: Annotated[Literal["off", "rules", "model"], BeforeValidator(_unquoted_off)] = "off"
    """simulated: whether each draft of a turn is checked against the persona and the state, and rewritten once if it fails:
    by `rules`, or by rules and then by the patient's own `model`."""
    profile: Annotated[LengthProfile, BeforeValidator(_unquoted_off)] = "persona"
    """simulated: how long turns come out, and whether typed or spoken, as a light direction and a bound on new tokens for
    each turn. `persona` is the persona's own profile; `terse`, `average`, `talkative`, `typed`, `spoken` or both, as in
    `typed-terse`, replace it; `off` leaves length to the model."""
    transcript: Place | None = None
    """replay: a text transcript, or a sessions.jsonl."""
    session: str | None = None
    """replay: which session of a sessions.jsonl."""


class ContextConfig(Settings):
    """How views are kept within the window."""

    policy: str = "truncate"
    """`truncate`, `summarize`, `hybrid`, `none`, or the name of a plug-in's."""
    low_water: float = Field(0.6, gt=0.0, lt=1.0)
    """A full view shrinks to this share of the prompt budget, so that its prefix then stays the same for many turns."""
    note_tokens: Positive = 256
    """Most tokens of the running note."""
    summarizer: Literal["therapist", "patient", "own"] = "therapist"
    """Whose model writes the note; `own` is each speaker's own."""


class ExecutorConfig(Settings):
    """Where sessions are played."""

    kind: Literal["local", "ray"] = "local"
    """In this process, or by replicas of the engines in a Ray cluster."""
    replicas: Literal["auto"] | Positive = "auto"
    """ray: how many; `auto` is as many as the cluster's GPUs hold, and without GPUs one per node."""
    address: str | None = None
    """ray: the cluster; null starts one on this machine, `auto` joins the one that runs."""


class CourseConfig(Settings):
    """Several sessions with one patient, in order."""

    sessions: Positive = 1
    """Sessions per course; with 1 there are no courses, and the other settings do not apply."""
    note: Literal["model", "digest"] = "model"
    """Who writes the handover note: the model that `context.summarizer` names, or a fixed rule without a model."""
    note_tokens: Positive = 192
    """Most tokens of the note in each speaker's prompts; at most an eighth of the prompt budget."""


class KeepConfig(Settings):
    """Optional data that is recorded for every turn."""

    logprobs: bool = False
    """The log-probability of every sampled token, in the journal."""


class RunSettings(Settings):
    """Where a run goes."""

    name: str | None = None
    dir: Place | None = None
    """Output folder; null makes a new `outputs/NAME-DATE`."""


class PriceConfig(Settings):
    """US dollars per million tokens."""

    prompt: float | None = Field(None, ge=0)
    cached: float | None = Field(None, ge=0)
    """Price of cached prompt tokens; null takes the price of other prompt tokens."""
    completion: float | None = Field(None, ge=0)


class JudgeConfig(RoleConfig):
    """The third role: its model, engine and sampling."""

    name: str | None = None  # type: ignore[assignment]
    """Its name in scores; null makes one from its model and fingerprint."""
    price: PriceConfig = PriceConfig()


class JudgingSettings(Settings):
    """What a judge is asked, and how often."""

    rubric: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("safety-gate",)
    """Ids of rubrics; `all` for all of them."""
    rubric_dir: Place | None = None
    """A folder of the user's own rubrics, searched first."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    orders: Literal[1, 2] = 1
    """2: each question is also asked with its answers in reverse order."""
    controls: Annotated[int, Field(ge=0, le=100)] = 6
    """Number of clean sessions from which controls are made; with 0 no item is certified."""
    courses: bool = True
    """Whether courses of therapy are also judged as a whole."""


class UnfitSettings(ConfigError):
    """Settings with values that no file may contain; `mistakes` are pairs of a dotted key and the reason."""

    def __init__(self, mistakes: Sequence[tuple[str, str]]) -> None:
        super().__init__(*(f"{key}: {why}" for key, why in mistakes))
        self.mistakes = tuple(mistakes)


class WholeConfig(Settings):
    """All settings of a command, as Hydra composed them.

    Text from the environment (`${oc.env:NAME}`) is used, but dumps contain the reference, not the text. Raises
    `UnfitSettings` for credentials and for values that no file can contain, `ConfigError` for a variable that is not set.
    """

    _named: dict[environment.Keys, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _fill(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, Mapping):
            return handler(value)
        unfit(value, credentials.mistakes(value))
        tree, references = environment.filled(value)
        config = handler(tree)
        if references:
            unfit(tree, credentials.addresses(tree))
            config._named = environment.texts(config, references)
        return config

    @model_serializer(mode="wrap")
    def _by_name(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return environment.named(handler(self), self._named)


class RunConfig(WholeConfig):
    """Everything that decides what a run does."""

    plugins: tuple[str, ...] = ()
    """Python modules with metrics, engines, context policies, ..., in addition to plug-ins of installed packages."""
    trackers: tuple[str, ...] = ()
    """Names of trackers that follow the run."""

    run: RunSettings = RunSettings()
    seed: Seed = 0
    personas: Annotated[tuple[str, ...], BeforeValidator(_listed)]
    """Ids of personas; a bare id stands for a list of one, and `all` for the whole library."""
    sample: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Number of sampled personas, played after those of `personas`, which may then be empty."""
    sample_seed: Seed | None = None
    """Seed of the sampled personas; null takes the run's seed, so that a new seed gives new patients."""
    persona_dir: Place | None = None
    """A folder of the user's own personas, searched before the library."""
    sessions_per_persona: Positive = 1
    max_exchanges: Positive = 20
    """A patient turn and the therapist's answer are one exchange."""
    min_exchanges: Annotated[int, Field(ge=0, le=MOST)] = 3
    """Exchanges before which no speaker can end the session."""
    concurrency: Literal["auto"] | Annotated[int, Field(gt=0, le=MOST_SESSIONS)] = "auto"
    on_failure: Literal["continue", "fail_fast"] | Positive = "continue"
    """In a sweep: continue after failures, or stop at the first failed point, or at this number of failed points."""
    executor: ExecutorConfig = ExecutorConfig()
    patient: PatientConfig
    therapist: TherapistConfig
    context: ContextConfig = ContextConfig()
    guard: GuardConfig = GuardConfig()
    course: CourseConfig = CourseConfig()
    keep: KeepConfig = KeepConfig()
    judge: JudgeConfig | None = None
    """The judge of the sessions at the end of the run; null for none."""
    judging: JudgingSettings = JudgingSettings()

    def roles(self) -> tuple[tuple[Speaker, RoleConfig], ...]:
        """Both speakers' settings."""
        return (Speaker.PATIENT, self.patient), (Speaker.THERAPIST, self.therapist)


def unfit(tree: Mapping[str, Any], found: Mapping[str, str]) -> None:
    """Raise `UnfitSettings` for the mistakes in `found`, and for values that no JSON file can contain."""
    mistakes = [*found.items(), *plain_data.mistakes(tree)]
    if mistakes:
        raise UnfitSettings(mistakes)
