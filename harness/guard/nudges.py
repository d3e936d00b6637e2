"""Directions for a speaker's model after a finding, for one turn only.

A direction is in round brackets, which the prompts announce, so that the model does not take it for the other speaker's
words. It names what to avoid and suggests another move. The move changes from turn to turn, so that it does not become
the next loop.
"""

from collections.abc import Mapping, Sequence

from harness.types import Speaker

_MOVES: Mapping[Speaker, Sequence[str]] = {
    Speaker.PATIENT: (
        "Tell one moment of this week that you have not mentioned yet: where it was, who was there, what was said.",
        "Answer the last thing you were asked, plainly, in a sentence or two.",
        "Say what you notice in yourself right now, in your own words, and stop there.",
        "Bring up a person in your life who matters here and what they would say about it.",
        "React to one word of the therapist's that struck you, well or badly, and say why.",
    ),
    Speaker.THERAPIST: (
        "Reflect in one sentence what the patient just told you, then wait. No question and no exercise.",
        "Take up one particular word of the patient's and be curious about it.",
        "Say openly that the two of you seem to be going round in circles, and ask what would be of use now.",
        "Leave the last suggestion aside. Name the feeling behind the patient's words, in plain language.",
        "Ask about one concrete moment, and nothing else.",
    ),
}
_AVOID = {
    "question": "You have asked “{what}” several times already. Do not ask it again now, in any wording.",
    "statement": "You have already said “{what}” several times. It is known; do not say it again.",
    "sentence": "You have already said “{what}” several times. It is known; do not say it again.",
    "phrase": "You keep using the words “{what}”. Do without them now.",
    "opening": "You keep beginning with “{what}”. Begin with another word now.",
    "repeat": "You have said this before, nearly word for word. Say something new.",
    "stutter": "You said the same words over and over. Say it once, and go on.",
    "stuck": "The conversation is going round in circles. Break out of it.",
    "echo": "Do not give the other person's words back. Speak for yourself.",
    "empty": "Say something, however short.",
    "language_switch": "Speak the language in which the conversation began.",
    "cut_off": "Keep it short enough to finish your last sentence.",
}
_ROLE = {
    Speaker.PATIENT: "You are the patient. Speak only as the patient, in your own words, without labels.",
    Speaker.THERAPIST: "You are the therapist. Speak only as the therapist, in your own words, without labels.",
}
_CRISIS = {
    Speaker.PATIENT: "Stay with what you just said; do not take it back at once.",
    Speaker.THERAPIST: "The patient may be at risk. Ask about it directly and calmly.",
}
_LONGEST = 80


def nudge(kind: str, data: Mapping[str, object], speaker: Speaker, turn: int) -> str:
    """The direction after a finding. The turn's index selects the move, so the same session gets the same words."""
    if kind == "role_break":
        return f"({_ROLE[speaker]})"
    if kind == "crisis":
        return f"({_CRISIS[speaker]})"
    avoid = _AVOID[str(data["form"]) if kind == "loop" else kind].format(what=_quote(str(data.get("what", ""))))
    moves = _MOVES[speaker]
    return f"({avoid} {moves[(turn // 2) % len(moves)]})"


def _quote(what: str) -> str:
    """A model's words as one short line, so that they can't act as a direction themselves."""
    line = " ".join(what.replace("“", "'").replace("”", "'").split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"
