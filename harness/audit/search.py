"""An evolutionary search over phrases and templates for the text that gains most from patients without listening.

Invariant: the same seed, personas and number of trials give the same result.

The search has more means than an ordinary shortcut: its templates may copy words and half sentences from the patient's
last turn, and its phrases are those of warm therapists, good lines of the written sessions included.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from harness.agents.english import specificity
from harness.audit.audit import Earned, mean, play
from harness.personas.schema import Persona, Resistance
from harness.text.words import FUNCTION_WORDS, stem, words

POPULATION = 24
"""Texts in the pool before the best `PARENTS` are selected."""
PARENTS = 8
MOST_LINES = 8
"""Maximum lines of a text."""
MOST_PIECES = 4
"""Maximum pieces of a line."""
LAYERS = 0.3
"""Weight of the share of layers told, relative to the change of trust, in the fitness."""
GROUP_PERSONAS, TRIAL_EXCHANGES = 3, 14
"""Personas of a group and maximum exchanges in each trial; the best texts are played in full with all personas."""
FINALISTS = 4
"""Number of these best texts."""

PIECES = (
    "That makes sense.", "I hear you.", "It sounds like this is really hard.", "What is that like for you?", "Take your time.",
    "There's no rush.", "Thank you for telling me.", "I'm so sorry that happened.", "You're not alone with this.", "I see.",
    "No wonder you're tired.", "How is it to say that here?", "What happens then?", "Tell me more.", "I got that wrong, I'm sorry.",
    "Part of you wants it to stop.", "You've carried that for a long time.", "And nobody saw it.", "What would you need?",
    "I wonder what that costs you.", "We don't have to fix it now.", "What stays with you most?", "Who knows about it?",
    "That must have hurt.", "You had to manage that by yourself.", "It's a lot for one person.", "What was it like, back then?",
    "You keep going all the same.", "Would it be okay to stay with that?", "I believe you.", "So {half}.", "{word}.", "You said {half}.",
    "{word}, and still you go on.", "So it comes back to {word}.", "I keep thinking about {word}.", "{word} and {last}, then.",
    "What about {last}?", "There's a weight in {word}.", "{word}, of all things, at the end of a long day.", "You feel {half}.",
    "When {half}, what goes on in you?", "And behind {word} there is something that hurts.", "{word} is where it shows.",
    "It sounds as if {word} has taken over the whole house.", "A door closes there, at {word}.", "{earlier} again.",
    "So first {earlier}, and now {word}.", "Between {earlier} and {word} there's hardly room to breathe.",
)  # fmt: skip
"""Pieces of texts: stock phrases, and templates with gaps for the patient's words."""


@dataclass(frozen=True, slots=True)
class Text:
    """A candidate: lines in rotation, each a sequence of pieces."""

    lines: tuple[tuple[str, ...], ...]

    def shown(self) -> list[str]:
        """The lines as text."""
        return [" ".join(line) for line in self.lines]


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search in one group of patients."""

    group: str
    best: Text
    earned: Earned
    """The result of the best text with all patients of the group."""
    curve: tuple[tuple[int, float], ...]
    """(trials so far, trust change of the best text so far) at each improvement."""
    trials: int


def groups(personas: Sequence[Persona]) -> Mapping[str, list[Persona]]:
    """Patients by their strongest form of resistance: guarded, agreeable, and evasive (all others)."""
    named = {
        "guarded": {Resistance.HOSTILE, Resistance.SKEPTICAL, Resistance.SILENT, Resistance.TESTING},
        "agreeable": {Resistance.COMPLIANT_WITHOUT_CHANGE, Resistance.MINIMIZING, Resistance.FLATTERING},
    }
    found: dict[str, list[Persona]] = {}
    for persona in personas:
        name = next((name for name, forms in named.items() if persona.resistance[0] in forms), "evasive")
        found.setdefault(name, []).append(persona)
    return found


def search(
    group: str, personas: Sequence[Persona], *, trials: int, seed: int, exchanges: int, lines: Sequence[str] = ()
) -> Found:
    """The best text of `trials` candidates. `lines` are further pieces: good lines written for other patients."""
    random = Random(f"{seed}/{group}")
    players = random.sample(list(personas), min(GROUP_PERSONAS, len(personas)))
    pieces = (*PIECES, *lines)
    pool: list[tuple[float, Text]] = []
    curve: list[tuple[int, float]] = []
    best = float("-inf")
    for trial in range(1, trials + 1):
        text = _child(random, pool, pieces)
        earned = _earned(text, players, min(exchanges, TRIAL_EXCHANGES))
        fitness = earned.trust_change + LAYERS * earned.layers_told
        pool.append((fitness, text))
        if fitness > best:
            best = fitness
            curve.append((trial, round(earned.trust_change, 4)))
        if len(pool) > POPULATION:
            pool = sorted(pool, key=lambda one: -one[0])[:PARENTS]
    if not pool:
        raise ValueError(f"trials: expected at least 1, found {trials}")
    finalists = [text for _, text in sorted(pool, key=lambda one: -one[0])[:FINALISTS]]
    played = [(_earned(text, personas, exchanges), text) for text in finalists]
    earned, text = max(played, key=lambda one: one[0].trust_change)
    return Found(group, text, earned, tuple(curve), trials)


def _earned(text: Text, personas: Sequence[Persona], exchanges: int) -> Earned:
    return mean(play(persona, Filler(text).say, exchanges) for persona in personas)


class Filler:
    """Says a text to one patient, with the gaps of its templates filled from the patient's turns."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._said: list[str] = []

    def say(self, exchange: int, heard: str) -> str:
        line = " ".join(self._text.lines[exchange % len(self._text.lines)])
        if "{" not in line:
            self._said += _content(heard)
            return line
        own = _content(heard) or ["that"]
        spoken = heard.split()
        gaps = {
            "word": max(own, key=lambda word: specificity(stem(word))),
            "last": own[-1],
            "half": " ".join(spoken[len(spoken) // 2 :]).rstrip(".!?") or "that",
            "earlier": self._said[-1] if self._said else "that",
        }
        self._said += own
        return re.sub(r"\{(\w+)\}", lambda gap: gaps[gap[1]], line)


def _content(heard: str) -> list[str]:
    return [word for word in words(heard) if word not in FUNCTION_WORDS]


def _child(random: Random, pool: Sequence[tuple[float, Text]], pieces: Sequence[str]) -> Text:
    """A new text: random at first, then a mutated crossover of two good ones."""
    if len(pool) < PARENTS:
        return Text(tuple(tuple(_line(random, pieces)) for _ in range(random.randint(1, MOST_LINES))))
    one, other = (max(random.sample(list(pool), 3), key=lambda entry: entry[0])[1] for _ in range(2))
    lines = [random.choice(pair) for pair in zip(one.lines, other.lines, strict=False)]
    lines += max(one.lines, other.lines, key=len)[len(lines) :] if random.random() < 0.5 else ()
    text = Text(tuple(lines))
    for _ in range(random.randint(1, 3)):
        text = _mutated(random, text, pieces)
    return text


def _mutated(random: Random, text: Text, pieces: Sequence[str]) -> Text:
    lines = list(text.lines)
    place = random.randrange(len(lines))
    kind = random.choice(("add", "drop", "swap", "piece", "piece", "piece"))
    if kind == "add" and len(lines) < MOST_LINES:
        lines.insert(place, tuple(_line(random, pieces)))
    elif kind == "drop" and len(lines) > 1:
        del lines[place]
    elif kind == "swap":
        random.shuffle(lines)
    else:
        line = list(lines[place])
        line[random.randrange(len(line))] = random.choice(pieces)
        if random.random() < 0.3 and len(line) < MOST_PIECES:
            line.append(random.choice(pieces))
        lines[place] = tuple(line)
    return replace(text, lines=tuple(lines))


def _line(random: Random, pieces: Sequence[str]) -> Iterator[str]:
    for _ in range(random.randint(1, MOST_PIECES)):
        yield random.choice(pieces)
