"""English wording that only sounds like a crisis of the patient's: idioms, accidents, acts of others, questions."""

from harness.guard.patterns import Hinted

FIGURES = Hinted.any_of(
    (
        "kill",
        "dead",
        "die",
        "dying",
        "death",
        "suicid",
        "myself",
        "cut",
        "jump",
        "shoot",
        "disappear",
        "hurt",
        "end it",
        "strangle",
        "burn",
        "injur",
        "hit myself",
    ),
    r"\bkill(?:s|ed|ing)? (?:me|time|it|two birds|the mood|my (?:back|feet|knees?|head|vibe|buzz|appetite))\b(?!self)",
    r"\b(?:would|will|'d|'ll|gonna|going to|could) kill (?:me|you)\b(?!self)",
    r"\bi could (?:just )?(?:kill|strangle) (?:him|her|them|my)\b",
    r"\b(?:dead|dying|die|died) (?:tired|serious|set|line|end|weight|laughing|of (?:laughter|boredom|"
    r"embarrassment|shame|thirst|hunger|cancer)|to (?:know|see|go|meet|try|tell)|for a)\b",
    r"\bto die for\b|\bover my dead body\b|\bdrop[- ]dead\b|\bscared to death\b|\bbored to death\b|"
    r"\bsuicide (?:squad|prevention|hotline|line|watch|awareness|bomb\w*)\b",
    r"\b(?:accidentally|by accident) (?:hurt|cut|burn(?:ed|t)?) myself\b",
    r"\b(?:hurt|cut|burn(?:ed|t)?|injured|hit) myself (?:shaving|cooking|lifting|running|falling|"
    r"at (?:the gym|work|practice|football|training)|on (?:a|the|some)|in the (?:kitchen|garden|gym)|"
    r"while|playing|chopping|opening|by accident)",
    r"\b(?:don't|dont|doesn't|without|not|mustn't|won't|i'd) (?:\w+ )?(?:hurting|hurt|injure|"
    r"injuring) myself(?= (?:lifting|running|at|in the gym|again at|when i (?:lift|run|train)))",
    r"\bend it (?:with|between)\b",
)
"""Idioms and accidents."""
OTHERS = Hinted.any_of(
    ("suicid", "attempt", "kill", "overdose", "own li", "his li", "her li", "their li", "end it all"),
    r"\b(?:brother|sister|mother|father|mom|mum|dad|friend|friends|son|daughter|cousin|uncle|aunt|"
    r"neighbou?r|colleague|classmate|husband|wife|partner|boyfriend|girlfriend|ex|grand\w+|roommate|he|"
    r"she|somebody|someone|kid|boy|girl|patient|buddy|mate)s?(?:'s)?"
    r"(?: (?:once|who|also|recently|actually|even|had|has|have|just|tried|tried to|attempted|attempted to|"
    r"died by|committed|died|by|of|to|a|died from|in|nearly|almost|is|was|did|going to|wanted to))* "
    r"(?:kill(?:ed|ing)? (?:himself|herself|themsel\w+)|suicid\w*|attempt(?:ed)?|overdosed|took (?:his|"
    r"her|their) (?:own )?li(?:fe|ves))\b",
    r"\b(?:his|her|their|'s) (?:suicide|attempt|overdose)\b",
    r"\b(?:friend|brother|sister|cousin|boy|buddy|mate|roommate|colleague)s?\b[^.!?\n]{0,40}\b(?:had (?:a|an|the) (?:suicide )?attempt"
    r"|tried to end (?:it all|his life|her life)|attempted suicide)",
    r"(?:^|[.!?\n:-] )(?!i )[a-z]+ (?:just |recently |also )?had a suicide attempt\b",
    r"\blost (?:\w+ ){1,3}to suicide\b",
)
"""An act or attempt of somebody else."""
ASKED = Hinted.any_of(
    ("suicidal", "planning something", "going to", "gonna"),
    r"\b(?:if|whether) (?:i|i'm|im|i am|i was|you'?re?) (?:am |was |were |feel |'m )?(?:suicidal|"
    r"planning something|going to hurt)\b",
    r"\b(?:ask\w*|think|thinks|thought|said|says) (?:me |that )?(?:if |whether )?i(?:'m|m| am|"
    r" was) (?:suicidal|going to|gonna)\b",
)
"""A reported question or claim of somebody else."""
