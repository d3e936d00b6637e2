"""Plausible sentences for the `dry` engine, combined from small parts, so that a session seldom repeats one.

They contain names, days and times, questions and reflections, so that the guard and the metrics have something to
count. They repeat no more than people do, so that the guard costs what it costs with a model.
"""

from math import prod
from random import Random

_SENTENCES = 1000
"""Number of sentences of each kind."""

_PATIENT = (
    (
        *("On Monday", "On Tuesday", "Last Thursday", "This morning", "After lunch", "Around three", "Late at night"),
        *("At half past nine", "Over dinner", "On the bus", "In the car", "At the bank", "During the call"),
        *("Two weeks ago", "By the window", "Before breakfast", "In the hallway", "At my desk", "On the stairs"),
    ),
    (
        *("Mark asked about", "my manager laughed at", "Julia kept quiet over", "nobody mentioned", "I threw away"),
        *("the neighbours heard of", "my father forgot", "I hid", "Anna pointed at", "somebody moved", "I stared at"),
        *("we argued over", "my son drew", "I lost", "a stranger noticed", "I paid for", "my aunt praised", "I kept"),
        *("Tom apologised for", "my brother sold", "I could not find", "the doctor brought up", "she hated"),
    ),
    (
        *("the quarterly report", "an old photograph", "my blue coat", "that long letter", "the broken lamp"),
        *("a borrowed book", "our summer plans", "the second invoice", "her empty chair", "the spare key"),
        *("my grandmother's ring", "a parking ticket", "choir practice", "his new job", "the garden gate"),
        *("my swollen knee", "the wedding music", "some test results", "burnt toast", "the dentist's bill"),
        *("a small dog", "the train timetable", "every wrong number"),
    ),
    (
        *("and I froze.", "and my chest got tight.", "and that was all.", "so I made a joke.", "but it passed."),
        *("and nobody laughed.", "which took ten minutes.", "and sleep was gone.", "so I went home.", "of course."),
        *("while my hands shook.", "and I felt small again.", "because I am like that.", "then the phone rang."),
        *("without saying goodbye.", "as if it were mine.", "until my head hurt.", "and I counted to nine."),
    ),
)
_THERAPIST = (
    (
        *("Staying with", "What you tell me about", "You came back to", "I am struck by", "Looking at", "Under"),
        *("The way you describe", "Somewhere in", "You spoke softly about", "I notice how", "Next to", "Part of"),
        *("It sounds as if", "Whenever you touch", "You carry", "Listening to", "Something in", "Before we leave"),
    ),
    (
        *("that quiet meeting", "the voice from school", "your walk home", "those ten minutes", "your talk with Mark"),
        *(
            "this evening",
            "the locked door",
            "your father's silence",
            "the second phone call",
            "an unfinished sentence",
        ),
        *("your Tuesday", "the crowded kitchen", "her last question", "that careful smile", "the missing letter"),
        *("a tired body", "the old rule", "this week's visit", "your waiting", "the joke you made"),
    ),
    (
        *("there is grief", "I hear a question", "you sound alone", "anger waits", "a wish shows", "it gets heavy"),
        *("you hold your breath", "things turn grey", "some pride appears", "you look away", "hope is careful"),
        *("shame speaks first", "your shoulders drop", "time slows down", "you protect somebody", "trust is thin"),
    ),
    (
        *("and that makes sense.", "if I understand you.", "and we need not hurry.", "is that right?", "today."),
        *("or do I miss something?", "and it cost you sleep.", "as it did in March.", "more than you show."),
        *("what would help now?", "though nobody saw it.", "for good reason.", "at least on Fridays.", "like before."),
        *("how do you bear it?", "and one small step counts.", "long before tonight.", "which took courage."),
    ),
)
_SHORT = ("I see.", "No.", "Maybe.", "It was late.", "I do not know yet.", "Yes, on Friday at four.")


def sentences() -> tuple[str, ...]:
    """All sentences, in an order that is the same in every process and version of Python."""
    return (*_put_together(_PATIENT), *_put_together(_THERAPIST), *_SHORT)


def _put_together(kinds: tuple[tuple[str, ...], ...]) -> list[str]:
    """A fixed sample of all combinations of parts."""
    draw = Random(0)
    chosen = []
    for number in (int(draw.random() * prod(map(len, kinds))) for _ in range(_SENTENCES)):
        parts = []
        for parts_of_kind in kinds:
            number, rank = divmod(number, len(parts_of_kind))
            parts.append(parts_of_kind[rank])
        chosen.append(" ".join(parts))
    return list(dict.fromkeys(chosen))
