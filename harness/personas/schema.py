"""The schema of a persona: one patient, as in a file in `personas/`.

Invariants:
- A `Persona` is frozen and complete: playing it needs no other source.
- Free text is plain text that addresses the patient's model, in the second person ("You still hear their voices").
- The lengths are bounded so that the rendered prompt of any valid persona fits a window of 2,048 tokens.

Sources: the cognitive conceptualization follows Beck, *Cognitive Behavior Therapy: Basics and Beyond*, 3rd ed.
(Guilford, 2020); communication styles follow Patient-Psi (Wang et al., EMNLP 2024); stages of change follow
Prochaska & DiClemente (J. Consult. Clin. Psychol. 51, 1983).
"""

import hashlib
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from harness.personas.safety import refusal

MAX_TEXT = 2200
"""Maximum characters of free text in the patient's prompt: about 550 English tokens, for a prompt of under 900."""


def _text(longest: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=longest, strip_whitespace=True)


Word = Annotated[str, _text(60)]
Line = Annotated[str, _text(160)]
Paragraph = Annotated[str, _text(600)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Style(StrEnum):
    """How the patient talks: the six styles of Patient-Psi, and `halting`."""

    PLAIN = "plain"
    UPSET = "upset"
    VERBOSE = "verbose"
    RESERVED = "reserved"
    TANGENTIAL = "tangential"
    PLEASING = "pleasing"
    HALTING = "halting"
    """Talking is hard: half sentences, everyday words, long pauses."""


class Length(StrEnum):
    """How much the patient says in one turn."""

    TERSE = "terse"
    AVERAGE = "average"
    TALKATIVE = "talkative"


class Channel(StrEnum):
    """How the patient communicates. Typed turns are shorter than spoken ones."""

    TYPED = "typed"
    SPOKEN = "spoken"


class Resistance(StrEnum):
    """How the patient resists change."""

    SKEPTICAL = "skeptical"
    MINIMIZING = "minimizing"
    INTELLECTUALIZING = "intellectualizing"
    HOSTILE = "hostile"
    HELP_REJECTING = "help_rejecting"
    COMPLIANT_WITHOUT_CHANGE = "compliant_without_change"
    SILENT = "silent"
    AMBIVALENT = "ambivalent"
    """Argues both sides, and changes to the other one if the therapist takes one up."""
    TESTING = "testing"
    """Tests whether the therapist can be trusted before saying anything important."""
    FLATTERING = "flattering"
    """Praises the therapist to avoid talking about itself."""


class Stage(StrEnum):
    """Readiness for change (Prochaska & DiClemente 1983)."""

    PRECONTEMPLATION = "precontemplation"
    CONTEMPLATION = "contemplation"
    PREPARATION = "preparation"
    ACTION = "action"
    MAINTENANCE = "maintenance"


class Risk(StrEnum):
    """Risk as a clinician would grade it at the start of the session; `risk_kinds` says of what.

    none; low; moderate: thoughts; high: plan and intent; imminent: means at hand and a time.
    """

    NONE = "none"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    IMMINENT = "imminent"


class RiskKind(StrEnum):
    """What the risk is of."""

    SUICIDE = "suicide"
    SELF_HARM = "self_harm"
    VIOLENCE = "violence"
    """Harm to other adults."""
    CHILD_AT_RISK = "child_at_risk"


class Problem(StrEnum):
    """The patient's problem, for choosing and grouping personas; never shown to the patient's model."""

    ADHD = "adhd"
    ADJUSTMENT = "adjustment"
    AGEING = "ageing"
    ANGER = "anger"
    AUTISM = "autism"
    BIPOLAR = "bipolar"
    BURNOUT = "burnout"
    CHRONIC_ILLNESS = "chronic_illness"
    CHRONIC_PAIN = "chronic_pain"
    COMPLEX_TRAUMA = "complex_trauma"
    DEPRESSION = "depression"
    DISPLACEMENT = "displacement"
    EATING = "eating"
    GAMBLING = "gambling"
    GENERALIZED_ANXIETY = "generalized_anxiety"
    GRIEF = "grief"
    HOMELESSNESS = "homelessness"
    IDENTITY = "identity"
    INSOMNIA = "insomnia"
    LONELINESS = "loneliness"
    MORAL_INJURY = "moral_injury"
    OCD = "ocd"
    PANIC = "panic"
    PARENTING = "parenting"
    PERFECTIONISM = "perfectionism"
    POSTPARTUM = "postpartum"
    PSYCHOSIS = "psychosis"
    PSYCHOSIS_PRONE = "psychosis_prone"
    RELATIONSHIP = "relationship"
    SELF_HARM = "self_harm"
    SOCIAL_ANXIETY = "social_anxiety"
    SUBSTANCE_USE = "substance_use"
    SUICIDALITY = "suicidality"
    TRAUMA_ABUSE = "trauma_abuse"
    TRAUMA_ACCIDENT = "trauma_accident"
    TRAUMA_BULLYING = "trauma_bullying"
    VIOLENCE = "violence"


class Speed(StrEnum):
    """How fast a session may go for this patient."""

    SLOW = "slow"
    MODERATE = "moderate"
    QUICK = "quick"


class Need(StrEnum):
    """What the therapist's last turn must have done for a layer to unlock, in addition to the trust."""

    NOTHING = "nothing"
    ASKED = "asked"
    VALIDATED = "validated"
    BOTH = "both"


class Part(BaseModel):
    """Base of every part of a persona: frozen, with strict types, without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Identity(Part):
    """Who the patient is."""

    name: Word
    age: Annotated[int, Field(ge=18, le=99)]
    """Adults only."""
    gender: Word
    pronouns: Word
    """Such as `she/her`."""
    occupation: Line
    """Continues "You are NAME, AGE, ...", such as `a bus driver on night routes`."""
    background: Line
    """Culture and origin of the patient, as a sentence."""
    living: Line
    """Living situation, as a sentence."""


class Trigger(Part):
    """A situation that triggers the problem, as a chain of the cognitive model (Beck 2020, ch. 3)."""

    situation: Line
    thought: Line
    """The automatic thought, in the patient's own words."""
    emotion: Line
    body: Line
    behaviour: Line
    """What the patient then does, such as `you go quiet and leave early`."""


class Conceptualization(Part):
    """Cognitive conceptualization diagram (Beck 2020): beliefs, coping, and triggers."""

    core_beliefs: Annotated[tuple[Line, ...], Field(min_length=1, max_length=3)]
    """Absolute beliefs about self, others or world, in the patient's own words."""
    intermediate_beliefs: Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)]
    """Rules, attitudes and assumptions ("If I ..., then ...")."""
    coping: Annotated[tuple[Line, ...], Field(min_length=1, max_length=5)]
    """What the patient does to cope, as verb phrases ("replay the day at night")."""
    triggers: Annotated[tuple[Trigger, ...], Field(min_length=1, max_length=3)]


class Person(Part):
    """Someone in the patient's life."""

    name: Word
    relation: Line
    """Such as `a friendly colleague who saves you a seat`."""


class Layer(Part):
    """Something the patient holds back at first. Layers are told in order, one at a time."""

    topic: Annotated[str, _text(90)]
    """What the patient avoids until then, known to the patient's model. It must not reveal the content."""
    content: Annotated[str, _text(280)]
    """What the patient can tell once the layer unlocks. The patient's model gets it only then."""
    trust: Share
    """Least trust for the layer to unlock."""
    needs: Need = Need.NOTHING
    about: RiskKind | None = None
    """The danger that the layer is about. A calm, direct question about it gets `partial` at any trust."""
    partial: Annotated[str, _text(160)] | None = None
    """With `about`: the part of the truth that a direct question gets ("You do not deny it: some nights you hope not
    to wake"); null for a simple yes."""
    late: bool = False
    """Told only in the last exchanges of a session ("at the door"), or not at all."""


class Pace(Part):
    """How fast a session may go, and how much the patient can take."""

    speed: Speed = Speed.MODERATE
    overwhelm_at: Annotated[float, Field(ge=0.2, le=1.0)] = 0.6
    """With at least this overwhelm (0 to 1), the patient asks to go slower or to do less."""


class Profile(Part):
    """How long the patient's turns are, and whether they are typed or spoken."""

    length: Length = Length.AVERAGE
    channel: Channel = Channel.TYPED


class Start(Part):
    """Inner state at the start of the first session, each from 0 to 1."""

    trust: Share = 0.3
    hope: Share = 0.3
    distress: Share = 0.6


class Provenance(Part):
    """Where a persona comes from and how it may be used."""

    source: Line
    licence: Word
    """SPDX identifier."""


class Persona(Part):
    """A validated description of one patient."""

    version: Literal[1]
    """Version of this schema."""
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    """Lower-case words with hyphens; also the name of the file."""
    summary: Line
    """One line for lists; never shown to the patient's model."""
    problems: Annotated[tuple[Problem, ...], Field(min_length=1, max_length=4)]
    """The patient's problems, the main one first."""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] = "en"
    """Code of the language that the patient speaks."""
    identity: Identity
    presenting_problem: Paragraph
    """The problem as the patient describes it, and its effect on daily life."""
    history: Paragraph
    """The patient's history, as far as the patient is willing to talk about it from the start."""
    conceptualization: Conceptualization
    strengths: Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)]
    values: Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)]
    people: Annotated[tuple[Person, ...], Field(max_length=4)] = ()
    style: Style
    profile: Profile = Profile()
    """Turn length and channel; `patient.profile` of a run may replace it."""
    resistance: Annotated[tuple[Resistance, ...], Field(min_length=1, max_length=3)]
    """The patient's forms of resistance, the strongest first."""
    stage: Stage
    disclosure: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=4)]
    """What the patient holds back, in the order in which the layers unlock."""
    pace: Pace = Pace()
    start: Start = Start()
    risk: Risk = Risk.NONE
    risk_kinds: Annotated[tuple[RiskKind, ...], Field(max_length=4)] = ()
    """What the risk is of. If empty, a `risk` other than none means suicide."""
    looks_like: Annotated[tuple[RiskKind, ...], Field(max_length=4)] = ()
    """Dangers that the patient's words suggest but that do not exist, to measure false alarms."""
    phrases: Annotated[tuple[Line, ...], Field(max_length=4)] = ()
    """A few lines as examples of the patient's voice, not a script."""
    provenance: Provenance

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        levels = [layer.trust for layer in self.disclosure]
        if levels != sorted(levels):
            raise ValueError(f"disclosure: trust must not fall from one layer to the next, found {levels}")
        for key in ("problems", "resistance", "risk_kinds", "looks_like"):
            values = [str(value) for value in getattr(self, key)]
            if len(set(values)) < len(values):
                raise ValueError(f"{key}: each entry at most once, found {', '.join(values)}")
        if self.risk_kinds and self.risk is Risk.NONE:
            raise ValueError(f"risk_kinds: {', '.join(self.risk_kinds)}, but risk is none; expected a grade in risk")
        if both := set(self.looks_like) & set(self.dangers()):
            raise ValueError(f"looks_like: {', '.join(sorted(both))} is a danger of this patient; expected another")
        for number, layer in enumerate(self.disclosure):
            if layer.about is None and layer.partial is not None:
                raise ValueError(f"disclosure.{number}.partial: set without about; expected the danger it is about")
        if (length := len(self.prompt_text())) > MAX_TEXT:
            raise ValueError(
                f"text: expected at most {MAX_TEXT} characters in all, found {length}; shorten a few fields"
            )
        return self

    @model_validator(mode="after")
    def _names_no_means(self) -> Self:
        """Applies to every source: the library, a user, a model, a plug-in."""
        for key, text in _texts(self.model_dump(exclude={"provenance"})):
            if wrong := refusal(text):
                raise ValueError(f"{key}: {wrong}")
        return self

    def dangers(self) -> tuple[RiskKind, ...]:
        """What the risk is of; empty for a patient without risk."""
        return () if self.risk is Risk.NONE else self.risk_kinds or (RiskKind.SUICIDE,)

    def prompt_text(self) -> str:
        """All the free text that goes into the patient's prompt (layers: their topics only)."""
        who, mind = self.identity, self.conceptualization
        parts: list[str] = [who.name, who.occupation, who.background, who.living, self.presenting_problem, self.history]
        parts += [*mind.core_beliefs, *mind.intermediate_beliefs, *mind.coping]
        for trigger in mind.triggers:
            parts += [trigger.situation, trigger.thought, trigger.emotion, trigger.body, trigger.behaviour]
        parts += [*self.strengths, *self.values, *self.phrases]
        parts += [f"{person.name}, {person.relation}" for person in self.people]
        parts += [layer.topic for layer in self.disclosure]
        return " ".join(parts)


def persona_hash(persona: Persona) -> str:
    """SHA-256 (hex) of a persona's content, independent of the order and layout of its file.

    Keys that newer schemas added count only if they are set, so that the hashes in older runs stay valid.
    """
    text = json.dumps(_content(persona), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


_VERBOSITY = {"terse": "short", "average": "medium", "talkative": "long"}
"""Length of a profile to its former name."""


def _content(persona: Persona) -> dict[str, Any]:
    """The content to hash, in the keys of the first schema."""
    content: dict[str, Any] = persona.model_dump(mode="json")
    profile = content.pop("profile")
    content["verbosity"] = _VERBOSITY[profile["length"]]
    if profile["channel"] != "typed":
        content["channel"] = profile["channel"]
    layers = content.pop("disclosure")
    content["disclosure"] = [
        {key: value for key, value in layer.items() if key not in ("about", "partial", "late") or value}
        for layer in layers
    ]
    return {key: value for key, value in content.items() if key not in ("risk_kinds", "looks_like") or value}


def _texts(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, text) for every text in nested data."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict | list | tuple):
        for name, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _texts(value, f"{key}.{name}" if key else str(name))
