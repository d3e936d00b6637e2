"""Plausible sentences for the `dry` engine, made from parts so that few are ever the same.

They hold names, days and times, so that metrics of repetition and retention have something to count.
"""

from itertools import product

_PATIENT = (
    ("On Monday", "On Tuesday", "Last Thursday", "This morning", "After lunch", "Around three in the afternoon"),
    (
        "Mark asked me how the report was going",
        "my manager read my numbers out loud",
        "I found a typing mistake in the offer",
        "Julia waited for me at the door",
        "nobody said a word in the meeting",
        "I went home without saying goodbye",
        "I read the same line nine times",
        "the phone rang and I let it ring",
    ),
    ("and I froze.", "and my chest got tight.", "and I felt small again.", "and that was all.", "and I made a joke."),
)
_THERAPIST = (
    ("What you tell me about", "The way you remember", "Staying for a moment with", "Every thought of"),
    (
        "that meeting",
        "the voice from school",
        "the walk home",
        "those ten minutes",
        "your talk with Mark",
        "the mistake in the offer",
        "this evening",
        "the quiet in the room",
    ),
    (
        "sounds heavy to carry.",
        "seems to cost you sleep.",
        "may be worth one small step.",
        "is something we can look at slowly.",
        "does not have to be solved today.",
        "makes sense to me.",
    ),
)
_SHORT = ("I see.", "No.", "Maybe.", "It was late.", "I do not know yet.", "Yes, on Friday at four.")


def sentences() -> tuple[str, ...]:
    """Every sentence, in a fixed order: the same for every process and version of Python."""
    long = [" ".join(parts) for kind in (_PATIENT, _THERAPIST) for parts in product(*kind)]
    return (*long, *_SHORT)
