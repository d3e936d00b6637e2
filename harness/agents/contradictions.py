"""Finds statements of a patient that contradict the persona's age, name, work or people. English; plain cases only.

Invariant: what the persona's text leaves open is not a contradiction. A model may add facts, not change them.
"""

import re

from harness.personas.schema import Persona
from harness.text.words import content_stems, plain, stem, words

_AGE = re.compile(
    r"\b(?:i am|i'm|i just turned|i've just turned) (\d{2})(?= years? old|-year-old| now\b| and\b|\s*[.,;!?]|\s*$)"
    r"|\b(?:as an?|i'm an?|i am an?) (\d{2})[- ]year[- ]old\b"
)
_NAME = re.compile(r"\b(?i:my name(?:'s| is)|i'm called) ([A-Z][\w'-]+)")
_WORK = re.compile(
    r"\b(?:i work|i'm working|i am working|my job|working) as an? ([a-z' -]{3,40}?)"
    r"(?= (?:and|but|at|in|for|who|since|on|so|now)\b|[^a-z' -]|$)"
)
_OCCUPATION = re.compile(
    r"\bi(?:'m| am) an? (?:\w+ )?(student|teacher|nurse|doctor|lawyer|engineer|programmer|developer|accountant|waiter"
    r"|waitress|cashier|driver|chef|artist|writer|musician|actor|actress|scientist|librarian|firefighter"
    r"|therapist|counsell?or|psychologist|psychiatrist|coach)\b"
)
_PERSON = re.compile(
    r"\b[Mm]y (wife|husband|partner|boyfriend|girlfriend|son|daughter|mother|father|sister|brother|boss|manager),? "
    r"([A-Z][a-z]+)\b"
)


def contradiction(text: str, persona: Persona) -> tuple[str, str] | None:
    """(what the patient said, what the persona says) for the first contradiction; None if none is found."""
    for look in (_age, _name, _work, _person):
        if found := look(text, persona):
            return found
    return None


def _age(text: str, persona: Persona) -> tuple[str, str] | None:
    match = _AGE.search(plain(text))
    if match is None or int(match[1] or match[2]) == persona.identity.age:
        return None
    return match[0], f"you are {persona.identity.age}"


def _name(text: str, persona: Persona) -> tuple[str, str] | None:
    match = _NAME.search(text.replace("\u2019", "'"))
    own = persona.identity.name
    return None if match is None or match[1].lower() in words(own) else (match[0], f"you are {own}")


def _work(text: str, persona: Persona) -> tuple[str, str] | None:
    low, identity = plain(text), persona.identity
    match = _WORK.search(low) or _OCCUPATION.search(low)
    if match is None:
        return None
    known = content_stems(words(f"{persona.prompt_text()} {' '.join(layer.content for layer in persona.disclosure)}"))
    claimed = content_stems(words(match[1]))
    return None if not claimed or claimed & known else (match[0], f"you are {identity.name}, {identity.occupation}")


def _person(text: str, persona: Persona) -> tuple[str, str] | None:
    for match in _PERSON.finditer(text):
        names = {word for person in persona.people for word in words(person.name)}
        known = [
            person
            for person in persona.people
            if person.name[:1].isupper() and stem(match[1]) in map(stem, words(person.relation))
        ]
        if known and match[2].lower() not in names:
            return match[0], f"{known[0].name} is {known[0].relation}"
    return None
