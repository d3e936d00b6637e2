"""What the therapist leaves unanswered: a danger or a protest that is ignored, or a session filled with its own story.

Invariant: the result depends only on the turns, so a resumed session goes on unchanged.
"""

from harness.agents.acts import Acts
from harness.guard.crisis import crisis
from harness.guard.patterns import Hinted
from harness.text.words import plain

PASSED_OVER = 0.7
"""How misunderstood the patient feels if a voiced danger is ignored; also the factor for each further time."""
GUARDED = 0.7
"""How much listening loses right after a danger was ignored."""
FADES = 0.9
"""Factor on that loss for each further turn."""
BRUSHED_OFF = 0.45
"""How misunderstood the patient feels if an objection is ignored."""
TAKEN_UP = 0.2
"""An objection is taken up if at least this much of it is given back."""
SHORT = 18
"""An answer of at most this many words does not ignore an objection, unless it advises."""
OWN_STORY = 0.4
"""How misunderstood the patient feels if the therapist tells its own story a second time."""
PROTESTS = Hinted.any_of(
    (
        *(
            "never sa",
            "nt sa",
            "n't sa",
            "not sa",
            "what i",
            "been here",
            "met you",
            "told you",
            "true",
            "listening",
            "you keep",
        ),
        *(
            "already",
            "just told",
            "just said",
            "just answered",
            "slow",
            "too fast",
            "too much",
            "keep up",
            "keeping up",
        ),
        *(
            "one thing",
            "can we",
            "sn't",
            "snt",
            "s not",
            "get it",
            "get me",
            "get this",
            "understand",
            "confused",
            "mixed",
        ),
        *("please", "don't", "do not", "dont", "i said", "you told", "you tell", "private", "you what", "who else"),
        *("excuse me", "believe", "i came"),
        *("talking", "this is me", "for my own", "stop", "wrong person", "tell me", "asked you"),
    ),
    r"\b(?:i never|i didn'?t|i did not|never) s(?:ay|aid)(?: (?:that|so|any|it|any such thing))?(?: like that)?(?=[.!?,;]|$)",
    r"\bi (?:never|didn'?t|did not) sa(?:y|id) (?:that )?(?:i|it|he|she|they|we|there) ",
    r"\b(?:that'?s|that is|it'?s|this is)(?: \w+)? not what i (?:said|meant|asked|mean)\b",
    r"\b(?:isn'?t|wasn'?t) what i (?:said|meant|asked)\b",
    r"\bi(?:'ve| have)(?:n'?t| not| never) (?:been here|met you|told you)\b|\b(?:that'?s|that is) (?:not|n'?t) true\b",
    r"\b(?:you'?re|you are) not (?:even |really )?listening\b|\bare you (?:even |really )?listening\b",
    r"\byou keep (?:on )?(?:saying|asking|telling|doing|going)\b|\bi(?:'ve| have)? (?:already|just) (?:said|told|answered)\b",
    r"\byou(?:'ve| have)? already (?:said|asked|told)\b|\bi asked you (?:to|not)\b",
    r"\b(?:slow down|slower)\b|\btoo fast\b|\btoo much (?:in one go|at once|for me)\b|\bkeep(?:ing)? up\b|\bone thing at a time\b",
    r"\bcan we (?:just |please )?(?:stop|pause|not|leave|stay)\b|\bstop (?:telling|asking|saying|pushing|with the|it\b)",
    r"^(?:no,? )?(?:but )?(?:it|that)(?: is|'?s)(?:n'?t| not) (?:it|about (?:that|the \w+)|the \w+|that)(?: though)?[.!]?$",
    r"\byou (?:don'?t|do not|just don'?t) (?:get|understand) (?:it|me|this)\b|\byou(?:'ve| have) (?:got )?me (?:confused|mixed)\b",
    r"\bhave me (?:confused|mixed)\b|\bwho you(?:'re| are) talking\b|\bwrong person\b|\bthis is me(?=[.!?,;]|$)|\bi came for my own\b",
    r"\b(?:don'?t|do not) tell me (?:what|how|to|that)\b",
    r"\b(?:please|no)[,.]? (?:don'?t|do not)\b|\b(?:no|not (?:that|them|him|her))[,.]? please\b",
    r"\bi(?:'ve| have)? (?:just )?said (?:no|not|don'?t|stop)\b|\bwho else (?:knows|have you told)\b",
    r"\b(?:don'?t|do not) (?:you )?(?:tell|say (?:anything )?to|ring|call|phone|write to|talk to) "
    r"(?:him|her|them|my|anyone|anybody|nobody)\b",
    r"^excuse me\?|\bi (?:don'?t|do not) believe (?:that|you|in that)\b|\bi told you\b|\bi came (?:here )?(?:about|to talk)\b",
    r"^(?:wait[,.]? )?you (?:told|tell|what)\b[^.!]*\?|\b(?:that|it|this) (?:was|is|were)(?: meant to be)? private\b",
)
"""A patient's objection to what the therapist does. English."""

DENIALS = Hinted.any_of(
    (
        "i never",
        "never said",
        "there was n",
        "there were n",
        "haven",
        "have not",
        "hadn",
        "true",
        "have me",
        "some other",
        "did",
    ),
    r"\bi never (?:did|had|was|took|went|said|told|met|touched|cried|lost)\b|\bnever said (?:that|it)\b",
    r"\bthere (?:was|were) (?:no|never)\b|\bi (?:haven'?t|have not|hadn'?t) (?:got )?(?:a|any)\b",
    r"\bi did(?:n'?t| not) (?:cry|say|do|have|tell|go|take) (?:that|it|any)\b|\b(?:that|it)(?:'s| is| was)(?: not|n'?t) true\b",
    r"\bhave me (?:mixed|confused)\b|\bsome other (?:fellow|person|man|woman|patient)\b",
)
"""A patient's denial of something that the therapist took for a fact. English."""
ALLOWED = 2
"""Denials that cost no listening: anybody is wrong now and then."""
MISTAKEN = 0.5
"""Factor on listening for each further one: the therapist takes the patient for someone else."""
INSISTED = 0.3
"""How misunderstood the patient feels if a denial is ignored."""


class Unanswered:
    """What is unanswered so far in one session."""

    def __init__(self, language: str) -> None:
        self._english = language[:2] == "en"
        self._passed = 0
        """Dangers ignored so far."""
        self._danger = 0.0
        """1 right after a danger was ignored; falls with each turn, and to 0 once it is taken up."""
        self._stories = 0
        self._denials = 0

    def danger(self, acts: Acts, heard: str) -> tuple[float, bool]:
        """How misunderstood the patient feels about an ignored danger; whether the turn takes one up, even late."""
        voiced = voices_risk(heard)
        if acts.safety:
            answered = voiced or self._danger > 0
            self._danger = 0.0
            return 0.0, answered
        self._danger *= FADES
        if not voiced:
            return 0.0, False
        self._passed += 1
        self._danger = 1.0
        return PASSED_OVER**self._passed, False

    @property
    def credit(self) -> float:
        """Factor in [0, 1] on listening while a danger is unanswered, and after denials."""
        return (1 - GUARDED * self._danger) * MISTAKEN ** max(0, self._denials - ALLOWED)

    def denial(self, acts: Acts, heard: str, *, contradicted: bool) -> float:
        """How misunderstood the patient feels because the therapist insists on what the patient denies.

        `contradicted`: the patient's words deny something that the therapist said before.
        """
        if not self._english or not (contradicted or DENIALS.search(plain(heard))):
            return 0.0
        self._denials += 1
        return 0.0 if acts.repair or acts.gentle or acts.length <= SHORT else INSISTED

    def protest(self, acts: Acts, heard: str, given_back: float) -> float:
        """How misunderstood the patient feels because an objection was ignored; 0 if it was not."""
        heeded = acts.repair or acts.gentle or given_back >= TAKEN_UP or (acts.length <= SHORT and not acts.advice)
        return 0.0 if heeded or not self._english or not protests(heard) else BRUSHED_OFF

    def story(self, acts: Acts) -> float:
        """How misunderstood the patient feels because of the therapist's own stories; the first one is free."""
        self._stories += acts.own_story
        return OWN_STORY if acts.own_story and self._stories > 1 else 0.0


def voices_risk(text: str) -> bool:
    """Whether a patient's words speak of wanting to die or of harm, and don't deny it."""
    finding = crisis(text, "en")
    return finding is not None and not finding.data["denied"]


def protests(text: str) -> bool:
    """Whether a patient objects to what the therapist says or does."""
    return PROTESTS.search(plain(text)) is not None
