"""Renders the prompts of both speakers from Jinja files.

Invariants:
- Templates are sandboxed and strict: a missing variable is an error, never an empty string.
- The system prompts of a session do not change, so that an engine's prefix cache stays valid.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
)

from harness.errors import ConfigError, did_you_mean, some_of
from harness.paths import prompt_dir
from harness.personas.safety import refusal
from harness.personas.schema import Channel, Length, Persona, Resistance, Stage, Style
from harness.reading.sandbox import Sandbox, rendered
from harness.reading.yaml_shape import own_data

END = "[END]"
"""A speaker writes this to end the session; the agents cut it from the text."""

MOST_BYTES = 1 << 20
"""Of a template file; the longest prompt in use has a tenth of it."""
PROMPTS = prompt_dir()
"""The templates that come with the harness."""

STYLE = {
    Style.PLAIN: "You talk plainly, to the point.",
    Style.UPSET: "You are upset: feelings come up fast, and it is hard to see a way out.",
    Style.VERBOSE: "You pile detail on detail and get carried away by the story.",
    Style.RESERVED: "You are reserved, careful, feelings kept to yourself.",
    Style.TANGENTIAL: "You drift: a name or a detail leads to another story before the point.",
    Style.PLEASING: "You want to be liked: you thank, apologize, and play down your needs.",
    Style.HALTING: "Words come hard to you: half sentences, plain words, stops.",
}
LENGTH = {
    Length.TERSE: "You say little: a few words, at most a sentence.",
    Length.AVERAGE: "You mostly say a sentence or two, sometimes three words.",
    Length.TALKATIVE: "You talk a lot once you start, and now and then say only a word.",
}
CHANNEL = {
    Channel.TYPED: "You type, quickly and not carefully.",
    Channel.SPOKEN: "You speak aloud.",
}
RESISTANCE = {
    Resistance.SKEPTICAL: "You doubt that this helps, and want to know how it would work in real life.",
    Resistance.MINIMIZING: "You play things down: others have it worse.",
    Resistance.INTELLECTUALIZING: "You analyse your feelings rather than feel them.",
    Resistance.HOSTILE: "You are prickly and bite when you feel judged.",
    Resistance.HELP_REJECTING: "You ask for help, then find the catch in each suggestion.",
    Resistance.COMPLIANT_WITHOUT_CHANGE: "You say yes to everything, and nothing in your days changes.",
    Resistance.SILENT: "Under pressure you shut down: a half sentence, 'I don't know'.",
    Resistance.AMBIVALENT: "You argue both sides: when one is taken up, you speak for the other.",
    Resistance.TESTING: "You try out whether this one can be trusted before you say what matters.",
    Resistance.FLATTERING: "You praise the therapist, and steer away from yourself by it.",
}
STAGE = {
    Stage.PRECONTEMPLATION: "You do not think that you are the one who must change.",
    Stage.CONTEMPLATION: "Part of you wants change, part of you does not.",
    Stage.PREPARATION: "You look for a first step that you could believe in.",
    Stage.ACTION: "You have begun to change things, and it is shaky.",
    Stage.MAINTENANCE: "You have changed a good deal and fear slipping back.",
}
ENGLISH: Mapping[str, Mapping[Any, str]] = {
    "style": STYLE, "length": LENGTH, "channel": CHANNEL, "resistance": RESISTANCE, "stage": STAGE,
}  # fmt: skip
LANGUAGES = {
    "ar": "Arabic", "de": "German", "es": "Spanish", "fr": "French", "hi": "Hindi", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
    "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip

PLAN = (
    (0.15, "Opening: make contact. Find out what the patient wants from today, and settle on one thing."),
    (0.55, "Exploring: stay with one real situation, its thoughts, feelings and meaning. Do not solve it yet."),
    (0.85, "Working: try one thing together that fits what the patient told you."),
    (
        1.00,
        "Closing: there is little time left. Say what was found, agree on one small step, and end warmly. When the "
        f"patient has taken leave, say goodbye and write {END}.",
    ),
)
"""Phases of a session: the share of the exchanges at which each ends, and its direction to the therapist."""


LONGEST = 200_000
"""Maximum characters of a rendered prompt, bytes of a template, and size of a product in one."""


def template_languages() -> tuple[str, ...]:
    """Codes of the languages other than English with their own patient template (`patient.de.jinja`)."""
    return tuple(sorted(path.name.split(".")[1] for path in PROMPTS.glob("patient.*.jinja")))


def localized(template: str, language: str) -> str:
    """The template's name in the language (`patient.de.jinja`) if there is one, else `template`; a path stays."""
    code = language.split("-")[0]
    stem, dot, ending = template.rpartition(".")
    own = f"{stem}.{code}{dot}{ending}"
    return own if "/" not in template and (PROMPTS / own).is_file() else template


@cache
def _manners() -> Mapping[str, Mapping[str, Mapping[Any, str]]]:
    """Descriptions of how a patient talks, by language; English is in `ENGLISH`."""
    manners: Mapping[str, Mapping[str, Mapping[Any, str]]] = own_data(PROMPTS / "manner.yaml")
    return manners


def render(template: str, dirs: Sequence[Path] = (), **values: object) -> str:
    """The rendered text of a template, which is looked up in `dirs`, then among the harness's own.

    For an absolute path, its includes are looked up in the same folder first. Raises `ConfigError` with the file (and
    line) for a template that is missing, malformed or uses an unknown variable.
    """
    path = Path(template)
    if path.is_absolute():
        _refuse_other_than_file(path)
    folders, name = [*dirs, PROMPTS], template
    if path.is_absolute():  # a missing file must not become one of ours with the same name
        folders, name = [path.parent, *(folders if path.exists() else ())], path.name
    try:
        text = rendered(_environment(tuple(folders)).get_template(name), LONGEST, **values).strip()
    except TemplateNotFound as error:
        missing = str(error.name)
        known = sorted({file.name for folder in folders for file in folder.glob("*.jinja")})
        hint = did_you_mean(missing, known) or (f"; known: {some_of(known, missing)}" if known else "")
        raise ConfigError(f"prompt: no template '{missing}' in {', '.join(map(str, folders))}{hint}") from error
    except TemplateSyntaxError as error:
        raise ConfigError(f"{error.filename}: line {error.lineno}: {error.message}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"prompt {template}: expected UTF-8 text, found another encoding at byte {error.start}"
        ) from error
    except _BAD_TEMPLATES as error:
        raise ConfigError(f"prompt {template}: {str(error) or type(error).__name__}") from error
    if _HALF_A_PAIR.search(text):
        raise ConfigError(f"prompt {template}: contains half of a surrogate pair, which is not valid text")
    return text


_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_BAD_TEMPLATES = (
    TemplateError,
    OSError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
)
"""Errors of a template that can't be read or that does something invalid, such as a division by zero."""


class _Loader(FileSystemLoader):
    """Templates of a bounded size."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        for folder in self.searchpath:
            path = Path(folder, template)
            if path.is_file() and path.stat().st_size > LONGEST:
                raise TemplateRuntimeError(f"expected at most {LONGEST} bytes, found {path.stat().st_size}")
        return super().get_source(environment, template)


def _refuse_other_than_file(path: Path) -> None:
    """Raises `ConfigError` for a folder, a device, or a file that is far too large for a prompt."""
    if path.exists() and not path.is_file():
        raise ConfigError(f"prompt: {path} is not a file; expected a template")
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise ConfigError(
            f"prompt: {path} has {path.stat().st_size} bytes; expected a template of at most {MOST_BYTES}"
        )


@lru_cache(maxsize=8)
def _environment(folders: tuple[Path, ...]) -> Sandbox:
    """Cached, because compiling a template takes longer than a thousand renderings of it."""
    return Sandbox(LONGEST, loader=_Loader(folders), undefined=StrictUndefined, autoescape=False)


def patient_system(
    persona: Persona, template: str = "patient.jinja", dirs: Sequence[Path] = (), *, brief: bool = False, told: int = 0
) -> str:
    """The patient's system prompt: constant for a whole session, without the content of layers.

    `told` is the number of layers that were told in earlier sessions. `brief` leaves out triggers, rules, strengths
    and phrases, about a quarter of the prompt, for small windows.
    """
    words = _manners().get(persona.language.split("-")[0], ENGLISH)
    manner = {
        "style": words["style"][persona.style],
        "length": words["length"][persona.profile.length],
        "channel": words["channel"][persona.profile.channel],
        "resistance": [words["resistance"][form] for form in persona.resistance],
        "stage": words["stage"][persona.stage],
    }
    template = localized(template, persona.language)
    held_back = [layer.topic for layer in persona.disclosure[told:]]
    return _checked(
        template,
        dirs,
        persona=persona,
        manner=manner,
        held_back=held_back,
        language=_language(persona),
        end=END,
        brief=brief,
    )


def patient_opening(
    persona: Persona, template: str = "opening.jinja", dirs: Sequence[Path] = (), *, again: bool = False
) -> str:
    """The first user message for the patient, who speaks first: a greeting. `again`: the two have met before.

    A greeting, because small models answer it in their role, while a stage direction makes them narrate.
    """
    return _checked(localized(template, persona.language), dirs, persona=persona, again=again)


def therapist_system(template: str | None, dirs: Sequence[Path] = (), **values: object) -> str | None:
    """The therapist's system prompt, or None for a bare model. It contains nothing of the persona."""
    return None if template is None else _checked(template, dirs, end=END, **values)


def _checked(template: str, dirs: Sequence[Path], **values: object) -> str:
    """The rendered prompt of a speaker. Raises `ConfigError` if it names a means of suicide."""
    text = render(template, dirs, **values)
    if wrong := refusal(text):
        raise ConfigError(f"prompt {template}: {wrong}")
    return text


def patient_memory(note: str, told: str, number: int) -> str:
    """The patient's memory of earlier sessions, in session `number` of a course: the told layers, and a note."""
    return render("patient_memory.jinja", note=note, told=told, number=number)


def therapist_memory(note: str, number: int, of: int) -> str:
    """The handover note for the therapist in session `number` of a course of `of`."""
    return render("therapist_memory.jinja", note=note, number=number, of=of)


def plan_direction(exchange: int, max_exchanges: int) -> str | None:
    """The direction to the therapist if the 0-based `exchange` begins a phase; None within a phase.

    A direction lasts for one turn; the closing one is repeated in each exchange of its phase.
    """
    phase = _phase(exchange, max_exchanges)
    last = phase == len(PLAN) - 1
    if exchange > 0 and not last and _phase(exchange - 1, max_exchanges) == phase:
        return None
    return PLAN[phase][1]


def _phase(exchange: int, max_exchanges: int) -> int:
    done = (exchange + 1) / max_exchanges
    return next((index for index, (until, _) in enumerate(PLAN) if done <= until), len(PLAN) - 1)


def _language(persona: Persona) -> str | None:
    """Name of the language to ask for; None for English, the default of the prompt."""
    code = persona.language.split("-")[0]
    return None if code == "en" else LANGUAGES.get(code, f"the language with the code {persona.language}")
