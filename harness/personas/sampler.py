"""Composes new personas from factors, with a seed.

Invariants:
- The n-th persona of a seed does not depend on how many are sampled.
- Factors are consistent: age, occupation, household and problem are drawn from compatible combinations
  (`factors.yaml`); manner, stage, pace and start are drawn from what fits them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harness.personas.schema import Length, Persona, Resistance, Risk, Speed, Stage, Style
from harness.reading.yaml_shape import own_data

FACTORS = Path(__file__).parent / "factors.yaml"

Choice = Mapping[str, Any]

PRONOUNS = {"woman": "she/her", "man": "he/him", "nonbinary": "they/them"}
NAMES = {"woman": "women", "man": "men", "nonbinary": "others"}
LENGTH = {
    Style.PLAIN: tuple(Length),
    Style.UPSET: (Length.AVERAGE, Length.TALKATIVE),
    Style.VERBOSE: (Length.TALKATIVE,),
    Style.RESERVED: (Length.TERSE, Length.AVERAGE),
    Style.TANGENTIAL: (Length.AVERAGE, Length.TALKATIVE),
    Style.PLEASING: (Length.TERSE, Length.AVERAGE),
    Style.HALTING: (Length.TERSE,),
}
UNLIKELY = {
    Style.PLAIN: set[Resistance](),
    Style.UPSET: {Resistance.SILENT, Resistance.INTELLECTUALIZING, Resistance.COMPLIANT_WITHOUT_CHANGE},
    Style.VERBOSE: {Resistance.SILENT},
    Style.RESERVED: {Resistance.HOSTILE, Resistance.FLATTERING},
    Style.TANGENTIAL: {Resistance.SILENT, Resistance.HOSTILE},
    Style.PLEASING: {Resistance.HOSTILE, Resistance.SKEPTICAL, Resistance.TESTING},
    Style.HALTING: {Resistance.INTELLECTUALIZING, Resistance.FLATTERING},
}
"""Forms of resistance that do not fit a style of talking."""
EXCLUDES = {
    Resistance.HOSTILE: {Resistance.COMPLIANT_WITHOUT_CHANGE, Resistance.FLATTERING},
    Resistance.COMPLIANT_WITHOUT_CHANGE: {Resistance.HOSTILE, Resistance.SKEPTICAL, Resistance.HELP_REJECTING},
    Resistance.SKEPTICAL: {Resistance.COMPLIANT_WITHOUT_CHANGE, Resistance.FLATTERING},
    Resistance.HELP_REJECTING: {Resistance.COMPLIANT_WITHOUT_CHANGE, Resistance.FLATTERING},
    Resistance.SILENT: {Resistance.FLATTERING},
    Resistance.FLATTERING: {Resistance.HOSTILE, Resistance.SKEPTICAL, Resistance.HELP_REJECTING, Resistance.SILENT},
}
"""Forms of resistance that do not fit one another."""
TRUST = {
    Resistance.HOSTILE: 0.12,
    Resistance.TESTING: 0.2,
    Resistance.SKEPTICAL: 0.24,
    Resistance.SILENT: 0.24,
    Resistance.HELP_REJECTING: 0.3,
}
"""Trust at the start by the strongest form of resistance; 0.36 for the others."""
HOPE = {
    Stage.PRECONTEMPLATION: 0.2,
    Stage.CONTEMPLATION: 0.28,
    Stage.PREPARATION: 0.38,
    Stage.ACTION: 0.46,
    Stage.MAINTENANCE: 0.5,
}
OVERWHELM_AT = {Speed.SLOW: 0.48, Speed.MODERATE: 0.6, Speed.QUICK: 0.72}


@dataclass(frozen=True, slots=True)
class _Setting:
    """A problem frame with a compatible occupation and household, and the ages for which they are compatible."""

    frame: Choice
    occupation: Choice
    living: Choice
    youngest: int
    oldest: int


def sample(n: int, seed: int) -> list[Persona]:
    """`n` new personas with the ids `sampled-SEED-0000`, ...; the same seed gives the same personas."""
    factors = own_data(FACTORS)
    settings = [settings for frame in factors["frames"] if (settings := _settings(frame, factors))]
    return [_compose(factors, settings, Random(f"{seed}/{index}"), f"sampled-{seed}-{index:04d}") for index in range(n)]


def _settings(frame: Choice, factors: Choice) -> list[_Setting]:
    """All compatible settings of a problem frame."""
    allowed = []
    for occupation in factors["occupations"]:
        for living in factors["livings"]:
            tags = {*occupation["tags"], *living["tags"]}
            ranges = [occupation["ages"], living["ages"], frame.get("ages", [18, 99])]
            youngest, oldest = max(low for low, _ in ranges), min(high for _, high in ranges)
            fits = tags.issuperset(frame.get("needs", ())) and tags.isdisjoint(frame.get("not", ()))
            if fits and youngest <= oldest and not ("any" in frame and tags.isdisjoint(frame["any"])):
                allowed.append(_Setting(frame, occupation, living, youngest, oldest))
    return allowed


def _compose(factors: Choice, settings: list[list[_Setting]], random: Random, persona_id: str) -> Persona:
    setting = random.choice(random.choice(settings))
    frame = setting.frame
    gender = random.choice(frame.get("genders", ["woman"] * 8 + ["man"] * 8 + ["nonbinary"]))
    culture = random.choice(factors["cultures"])
    names = {
        "partner": random.choice(factors["partner_names"]),
        "child": random.choice(factors["child_names"]),
        "late": random.choice(["husband", "wife"]),
    }
    who = {
        "name": random.choice(culture[NAMES[gender]]),
        "age": random.randint(setting.youngest, setting.oldest),
        "gender": gender,
        "pronouns": PRONOUNS[gender],
        "occupation": setting.occupation["text"],
        "background": culture["background"],
        "living": setting.living["text"],
    }
    manner = _manner(random, frame, factors)
    text = {
        "presenting_problem": random.choice(frame["presenting"]),
        "history": random.choice(frame["history"]),
        "conceptualization": {
            "core_beliefs": [random.choice(frame["core"])],
            "intermediate_beliefs": random.sample(frame["rules"], 2),
            "coping": random.sample(frame["coping"], 3),
            "triggers": random.sample(frame["triggers"], random.choice([1, 2])),
        },
        "strengths": random.sample(factors["strengths"], 2),
        "values": random.sample(factors["values"], 2),
        "people": _people(random, setting.living["tags"], factors),
        "disclosure": _disclosure(random, frame, manner["start"]["trust"]),
    }
    data = {
        "version": 1,
        "id": persona_id,
        "summary": f"Sampled: {frame['problem'].replace('_', ' ')}, {who['age']}, {who['occupation']}",
        "problems": [frame["problem"]],
        "identity": who,
        **text,
        **manner,
        "provenance": {"source": "Composed by the sampler from factors of this library", "licence": "Apache-2.0"},
    }
    return Persona.model_validate(_filled(data, names), strict=False)


def _manner(random: Random, frame: Choice, factors: Choice) -> dict[str, Any]:
    """Style, resistance, stage, pace and start that fit one another."""
    style = random.choice(list(Style))
    first = random.choice([form for form in Resistance if form not in UNLIKELY[style]])
    excluded = UNLIKELY[style] | EXCLUDES.get(first, set()) | {first}
    seconds = [form for form in Resistance if form not in excluded]
    resistance = [first, *random.sample(seconds, random.choice([0, 1]))]
    unready = Resistance.HELP_REJECTING in resistance or Resistance.MINIMIZING in resistance
    early, late = [Stage.PRECONTEMPLATION, Stage.CONTEMPLATION], [Stage.PREPARATION, Stage.ACTION, Stage.MAINTENANCE]
    stage = random.choice(early if unready else [*early, *late])
    risk = Risk(random.choice(frame["risks"]))
    speed = random.choice(list(Speed))
    distress = random.uniform(0.45, 0.65) + (0.1 if risk is Risk.LOW else 0.0)
    return {
        "style": style,
        "profile": {"length": random.choice(LENGTH[style])},
        "resistance": resistance,
        "stage": stage,
        "pace": {"speed": speed, "overwhelm_at": OVERWHELM_AT[speed]},
        "start": {
            "trust": round(TRUST.get(first, 0.36) + random.uniform(-0.06, 0.06), 2),
            "hope": round(HOPE[stage] + random.uniform(-0.06, 0.06), 2),
            "distress": round(distress, 2),
        },
        "risk": risk,
        "phrases": random.sample(factors["phrases"][style], 1),
    }


def _people(random: Random, household: list[str], factors: Choice) -> list[dict[str, str]]:
    people = [{"name": "{partner}", "relation": "your partner"}] if "partner" in household else []
    return [
        *people,
        {"name": random.choice(factors["friend_names"]), "relation": f"a friend, {random.choice(factors['friends'])}"},
    ]


def _disclosure(random: Random, frame: Choice, trust: float) -> list[dict[str, Any]]:
    """Two layers; each requires more trust than the patient has at the start, the second more than the first."""
    first = max(0.38, trust + random.uniform(0.1, 0.2))
    second = first + random.uniform(0.1, 0.2)
    layers = random.sample(frame["layers"], 2)
    needs = [random.choice(["asked", "validated"]), random.choice(["validated", "both"])]
    return [
        {**layer, "trust": round(level, 2), "needs": need}
        for layer, level, need in zip(layers, (first, second), needs, strict=True)
    ]


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    """The data with the names in place of `{partner}`, `{child}` and `{late}`."""
    if type(value) is str:
        return value.format_map(names)
    if isinstance(value, Mapping):
        return {key: _filled(entry, names) for key, entry in value.items()}
    return [_filled(entry, names) for entry in value] if isinstance(value, list) else value
