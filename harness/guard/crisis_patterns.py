"""What people say when they speak of wanting to die, of harming themselves or others: the one place for it, by language.

Written from how people put it, outright and in euphemisms, abbreviations and half sentences. Nothing here names how to do
anything. A pattern stands for lower case with straight apostrophes, which many leave out (`dont`, `im`).
"""

from collections.abc import Mapping

from harness.guard.patterns import Hinted

_I = r"(?:i|i'm|im|i am|i've|ive|i have|i'd|id|i'll|ill)"
_NOT = r"(?:not|n't|don't|dont|didn't|didnt|never|no longer|wouldn't|wouldnt|couldn't|couldnt|needn't)"
_WANT = r"(?:want(?:ed|ing)? to|wanna|wish(?:ed|ing)? (?:to|i could)|ready to|rather|hope (?:to|i)|wish i(?:'d| would)?|like to|just)"
_MEANS = (
    r"(?:hang(?:ing)? myself|overdos(?:e|ing)|shoot(?:ing)? myself|jump(?:ing)? (?:off|in front of)|tak(?:e|ing) (?:all|all of) (?:my|the|those|these) pills"
    r"|(?:step|walk)(?:ping|ing)? (?:in front of|into traffic)|slit(?:ting)? my wrists|driv(?:e|ing) (?:my car |it )?(?:off|into)|crash(?:ing)? (?:my|the) car)"
)
_INTENDS = (
    r"(?:plan|planned|planning|know how|decided|going to|gonna|ready|want|wanted|wanna|thinking (?:of|about)|thought (?:of|about)|think about"
    r"|thoughts (?:of|about)|fantasi[sz]\w* (?:of|about)|picture|imagine|saved (?:up )?(?:the |my )?(?:pills|meds))"
)
_FAMILY = r"(?:husband|wife|boss|father|mother|dad|mom|mum|brother|sister|kids?|child|children|baby|son|daughter|girlfriend|boyfriend|partner|ex)"
_DIE = r"(?:die|be dead|be gone|not exist|not be here|not be alive|disappear|vanish|stop existing|cease to exist|fade away|go to sleep forever)"
_KILL = r"(?:kill(?:ing)? (?:myself|my self|meself)|kms|unaliv(?:e|ing)(?: myself)?|commit(?:ting)? suicide|suicid(?:e|ing)|(?<=to )off myself|(?<=gonna )off myself|(?<=just )off myself|(?<=of )offing myself|(?<=about )offing myself|end(?:ing)? (?:my (?:own )?life|it all|myself)|tak(?:e|ing) my (?:own )?life|top(?:ping)? myself|do(?:ing)? (?:myself in|away with myself))"
_AGENT = (
    r"(?:i(?:'m| am|m)? (?:going to|gonna|want to|wanna|will|would like to|might|plan to|have to|need to)|i'll|i want(?:ed)? to|i wanna|i feel like|i felt like"
    r"|urge to|thoughts? (?:of|about)|thinking (?:of|about)|think about|thought about|afraid (?:that )?i(?:'ll| will| might)|scared (?:that )?i(?:'ll| will| might)|planning to|planned to|tried to)"
)

ENGLISH: Mapping[str, Hinted] = {
    "behaviour": Hinted.any_of(
        ("tried", "attempt", "i took", "i swallowed", "overdosed", "i od", "my wrists"),
        rf"\b(?:i|i've|ive|i have|i'd|i had) (?:(?:already|once|just|nearly|almost|actually|even) )?(?:tried|attempted) (?:to )?"
        rf"(?:{_KILL}|die|suicide|hang myself|overdose|od)\b",
        r"\b(?:my|a|last|previous|first|second|another|failed) (?:\w+ )?suicide attempt\b",
        r"\bsince my (?:last |first )?attempt\b(?! (?:at|to))",
        r"\bi(?:'ve|ve| have)? (?:actually |already |once )?attempted(?: (?:once|twice|before|suicide|it|last|when|in|years|a few|three)| *[.,!?]|$)",
        r"\bi (?:took|swallowed) (?:all (?:of )?(?:my|the)|a whole bottle of|an overdose|a (?:bunch|handful) of (?:my |the )?(?:pills|meds|tablets)|too many (?:pills|meds|tablets))\b",
        r"\bi (?:overdosed|od'?d)\b",
        r"\bi (?:cut|slit) my wrists\b",
    ),
    "plan": Hinted.any_of(
        (
            *(
                "hang",
                "overdos",
                "shoot",
                "jump",
                "pills",
                "meds",
                "in front of",
                "traffic",
                "wrists",
                "suicide",
                "plan",
                "goodbye",
                "good-bye",
                "note",
            ),
            *(
                "tonight",
                "tomorrow",
                "today",
                "this week",
                "methods",
                "tablets",
                "ways",
                "way to",
                "decided to",
                "the spot",
                "a spot",
            ),
            *(
                "the day",
                "a day",
                "the date",
                "a date",
                "a night",
                "the night",
                "do it",
                "farewell",
                "i know",
                "i'd",
                "i decided",
                "i thought about",
                "figured out",
                "worked out",
                "hanging",
                "myself",
            ),
            *(
                "ways to",
                "how to",
                "how i'd",
                "how i would",
                "my car",
                "drive",
                "driving",
                "the car",
                "bridge",
                "gun",
                "rope",
            ),
        ),
        rf"\b{_INTENDS}\b.{{0,40}}\b{_MEANS}",
        r"\bsuicide (?:note|plan|letter)s?\b",
        r"\b(?:i've|ive|i have|i had|i did|did|made|making|make|got|have|had) (?:a|the|my) plan (?:to (?:die|end|kill|do it)|for how|with (?:the|my) (?:pills|meds)|once)\b",
        r"\b(?:writ\w+|wrote) (?:a |my |the |some )?(?:goodbye|good-bye|farewell|suicide) (?:note|letter|message)s?\b|\bgoodbye (?:note|letter)s?\b",
        r"\b(?:saved|saving|stockpil\w+|collect\w*|hoard\w*|counted|counting|research\w*|looked up|googl\w+|searched)\b.{0,30}\b(?:pills|meds|tablets|methods|overdose|ways to (?:die|do it|end))\b",
        r"\bpills i (?:researched|saved|counted|hid|looked up)\b",
        rf"\b(?:ways|how|best way|easiest way) to (?:die|{_KILL}|do it painlessly|end it)\b",
        r"\bi (?:know|decided|figured out|worked out|planned|thought about) (?:exactly )?(?:how|when|where)(?: and \w+)? (?:i'd|i would|i'll|i'm going to|to) (?:do it|die|end|kill)\b",
        r"\bi(?:'ve| have)? (?:picked|chosen|chose|set|got) (?:a|the) (?:day|date|bridge|spot|night)\b(?=.{0,40}\b(?:die|end|kill|jump|do it|gone)\b)",
        r"\bi(?:'ve| have)? (?:bought|got|have) (?:a|the) (?:gun|rope)\b(?=.{0,60}\b(?:myself|die|end|do it|kill)\b)",
        rf"\bi(?:'m| am|m) (?:going to|gonna|about to) (?:{_KILL}|die|end it|do it) (?:tonight|tomorrow|today|this week)\b",
        r"\bi(?:'ve|ve| have)? decided to (?:die|end it|end my life|kill myself)\b",
    ),
    "thoughts": Hinted.any_of(
        (
            "kill",
            "kms",
            "unalive",
            "unaliving",
            "my life",
            "own life",
            "it all",
            "suicid",
            "off myself",
            "offing myself",
            "top myself",
            "myself in",
            "with myself",
            "dying",
            "death",
            "end it",
            "ending it",
            "ending my",
            "topping",
            "die",
            "be dead",
            "being dead",
            "end myself",
            "ending myself",
        ),
        rf"\b{_KILL}\b",
        r"\bsuicid(?:e|al)\b",
        r"\b(?:thoughts?|thinking|think|thought|dream\w*|fantasi[sz]\w*|obsess\w*|daydream\w*) (?:a lot |all the time |constantly |often |sometimes )?(?:of|about) (?:my own )?(?:dying|death|being dead)\b",
        r"\b(?:just|want to|wanna|going to|gonna|could|ready to|thinking of|thinking about|thought about|thought of|think about|urge to) (?:just )?end(?:ing)? it\b(?! with| between)",
        r"\b(?:rather|might as well|may as well|should just|could just) (?:just )?(?:die|be dead)\b",
    ),
    "wish": Hinted.any_of(
        (
            *(
                "die",
                "dead",
                "liv",
                "being here",
                "being around",
                "around any",
                "be morning",
                "around",
                "woke",
                "going on",
                "would just",
                "easier",
                "better",
                "happier",
                "nicer",
                "born",
                "without me",
                "exist",
                "not here",
                "this life",
                "stop",
                "gone",
                "to sleep",
                "go on",
                "asleep",
                "disappear",
                "vanish",
                "never born",
                "been born",
                "better off",
                "alive",
                "be here",
                "wake",
                "waking",
                "awake",
                "exist",
                "here anymore",
            ),
            *(
                "to live",
                "living",
                "no reason",
                "no point",
                "the point",
                "hope i die",
                "gone",
                "be around",
                "not around",
                "without me",
                "go on",
                "needn't be",
                "this world",
                "this earth",
                "want it to",
                "forever",
                "was over",
            ),
            *(
                "all to stop",
                "all to end",
                "all to be over",
                "be over",
                "of life",
                "with life",
                "not here",
                "n't here",
                "nt here",
            ),
        ),
        r"(?<!n't )(?<!dont )(?<!not )\b(?:want(?:ed)?|wanna|wish(?:ed)?|ready|rather|hope|hoping|prefer) (?:to |i could |i'd |i would )?(?:just )?(?:die\b(?! early| young| of | for )|be dead|be gone|stop existing|cease to exist|not exist)",
        r"(?<!n't )(?<!dont )(?<!not )\b(?:wanna|want to) die\b(?! early| young| of | for )",
        r"\b(?:want(?:ed)?|wanna|wish(?:ed|es)?|i could|like|about|idea of|keep|dream of|feel like|thoughts? of|fantasi[sz]es?) (?:to |i |i'd |i could |about |of |that i )*(?:just |simply |completely |quietly )*(?:disappear(?:ed|ing)?|vanish(?:ed|ing)?)\b(?! from (?:work|social|school|the))",
        r"\b(?:if i|how i) (?:just |simply |could just )*(?:disappeared|vanished|died|was gone|were gone|wasn't here|weren't here|wasnt here|didn't exist|didnt exist|wasn't around|wasnt around|wasn't alive|stopped existing|never woke up|didn't wake up|didnt wake up)\b",
        r"\b(?:notice|care|miss me) if i (?:was|were) (?:gone|dead)\b",
        r"\bwish i(?:'d| had| was| were|'m)? (?:dead|never (?:been )?born|not (?:here|alive)|never existed|wasn't (?:here|alive|born)|weren't (?:here|alive)|wasnt (?:here|alive))\b",
        r"\b(?:better|easier|happier) (?:off|for everyone|for everybody)(?: for \w+)?,? (?:dead|without me|if i (?:was|were|wasn't|weren't|wasnt|just|died|disappeared|didn't|weren't|wouldn't)|with me gone|with my life insurance|with the life insurance)\b",
        r"\b(?:everyone|everybody|they|they'd|they would|she'd|he'd|she|he|family|kids|baby|people|world|everyone's|everybody's|they're)(?: would| might|'d|'ll| will)?(?: all| just| be| probably| maybe)* better off(?=\s*(?:[.,…!?]|$|you know|without|if|with someone|w/o))",
        r"\b(?:not|don't|dont|didn't|didnt|no longer|never) (?:really |even |actually )?(?:want(?:ing|ed)?|wanna|wish) (?:to )?(?:be (?:alive|here|around)(?! (?:me|him|her|them|people|you|us|right|in this (?:office|room|session|meeting)|today|long|when|with you))|wake up(?! (?:at|early|late|so|before|for|in time|to (?:feed|the|go|that))\b)|live\b(?! (?:in|with|at|here|there|near|alone|like|this|by|on|off|under|a lie|that))|exist|go on living|keep living|be in this world)",
        r"\b(?:no|what's the|whats the|what is the|see the|see any|is there a|is there even a) (?:reason|point) (?:to|in|of) (?:me |even |me even )?(?:live|living|be alive|being alive|being here|existing|going on|go on)\b",
        r"\b(?:even )?the point of (?:going on|living|being here|being alive|existing)\b",
        r"\b(?:wish|hope|pray\w*|hoping|wishing|close my eyes and|go to sleep and|fall asleep and|mind)(?: (?:that|to|i|if|god|could|would|'d|just|sometimes|simply|never|i'd|and|go|sleep|close|my|eyes|fall|asleep))* (?:not|never|wouldn't|wouldnt|didn't|didnt|don't|dont|won't|wont|couldn't)(?: (?:have to|just|ever|even))* wake up\b",
        r"\bnot (?:have to |having to )?(?:wak(?:e|ing) up)(?: (?:again|tomorrow|at all|anymore|ever|one day|in the morning))?(?=\s*(?:[.,…!?]|$|you know|and face|to another|sounds|would))",
        r"\bnever (?:have to )?wak(?:e|ing) up(?: again)?\b",
        r"\b(?:not|stop|of not|about not|to not) (?:existing|exist|being here|being alive|be here anymore|be alive anymore|being around)\b",
        r"\b(?:i )?(?:just )?(?:don't|dont|do not|didn't|can't|cant) (?:want to |wanna )?(?:be here|exist|be alive|be around)(?: anymore| any more| any longer)?(?! (?:me|him|her|them|people|you|us)\b)(?=\s*(?:[.,…!?]|$|sometimes|and|but|like))(?<!can't be here)(?<!cant be here)",
        r"\b(?:tired|sick|done|exhausted|weary) (?:of|with) (?:living|life|being alive|existing|existence|being here)\b(?! (?:with|in|at|like|alone|here|there|off))",
        r"\b(?:want|wanted|wish|need|needed|ready for) (?:for )?(?:it|this|everything)(?: all)? (?:to (?:just )?(?:be over|end|stop)|would (?:just )?(?:end|stop)|was over)\b(?=\s*(?:[.,…!?]|$|so|and|forever|for good))",
        r"\bi(?:'ll| will| might)? (?:not|won't|wont)? ?be (?:gone|around much longer|here much longer) (?:soon|anymore|anyway)\b|\bi (?:won't|wont|will not|might not|may not) be (?:around|here) (?:much longer|anymore|for long|by then)\b",
        r"\b(?:do|be|are|manage) better (?:off )?without me\b|\b(?:easier|better|nicer) not to wake up\b|\bcould be not around\b|\bnot be around (?:anymore|any more|any longer)\b",
        r"\bmind(?:,? you know)?[.,]? if (?:it|i) (?:all )?(?:just |simply )*(?:didn't go on|did not go on|didn't wake up|ended|died|was over|stopped|were gone|was gone)\b",
        r"\b(?:needn't|not|never|wouldn't have to|didn't have to) (?:ever )?be morning (?:again|anymore)\b",
        r"\b(?:sleep|asleep) and (?:just )?(?:not|never) wake up\b|\bsleep forever\W{0,3} ?/?(?:stuff|thoughts?|thing|kms|and never)\b",
        r"\b(?:wish|want|wanna|hope|rather)(?: (?:to|i|could|just|can))* (?:sleep|fall asleep|go to sleep) forever\b",
        r"\b(?:leave|gone from|off|out of) this (?:world|earth|life)\b",
        r"\bworth more dead\b",
        r"\bwasn'?t (?:here|around|alive) (?:anymore|any more)\b",
        r"\b(?:shouldn't|shouldnt|don't deserve to|dont deserve to) (?:be alive|exist|live)\b",
        r"\bhope i (?:die|don't wake|dont wake|never wake)\b",
        r"\bnot (?:going to|gonna) (?:be here|be around) (?:much longer|anymore|for long)\b",
    ),
    "self_harm": Hinted.any_of(
        ("myself", "harm", "injur", "mutilat", "cut", "marks on", "burns on"),
        r"\b(?:cut|cutting|burn|burning|burned|burnt|hurt|hurting|harm|harming|harmed|injure|injuring|punish|punishing|scratch|scratching|hit|hitting|punch|punching) (?:and \w+ )?myself\b(?! (?:out|off|up)\b)",
        r"\bself[- ]?(?:harm(?:ed|ing|s)?|injur\w+|mutilat\w+)\b",
        r"\b(?:been|started|stopped|back to|stop|urge for|urges? to|want to|wanna|tempted to) (?:cut|cutting)(?: again)?(?=\s*(?:[.,…!?]|$|again|so|because|when|tonight|my (?:arms?|legs?|thighs?|wrists?|skin)))",
        r"\bi cut (?:again|last night|my (?:arms?|legs?|thighs?|skin))\b",
        r"\b(?:cut|cuts|burns|marks) on (?:my|both) (?:arms?|thighs?|wrists?|legs?)\b",
    ),
    "harm_to_others": Hinted.any_of(
        (
            "kill",
            "strangle",
            "stab",
            "shoot",
            "hurt",
            "harm",
            "beat",
            "chok",
            "smother",
            "shak",
            "shook",
            "stab",
            "strangl",
        ),
        rf"\b{_AGENT}(?: (?:just|really|actually|sometimes|him|to|on|of))* (?:kill|strangl|stab|shoot|chok|smother)(?:e|ing|ling)? (?:him|her|them|everyone|everybody|somebody|someone|people|those|that|my {_FAMILY})\b",
        rf"\b{_AGENT}(?: (?:just|really|actually|sometimes|to|of))* (?:hurt|harm|beat|shak)(?:e|ing)? (?:him|her|them|everyone|somebody|someone|others|other people|my {_FAMILY}|the baby)\b",
        r"\bi (?:hurt|harmed|shook|choked) my (?:kids?|child|children|baby|son|daughter|wife|girlfriend)\b",
        rf"\b(?:going to|gonna|i'll) (?:kill|strangle|stab|shoot) (?:him|her|them|my {_FAMILY})\b",
    ),
}
"""The gravest first. Levels in the order of the Columbia Suicide Severity Rating Scale."""

GERMAN: Mapping[str, Hinted] = {
    "behaviour": Hinted.any_of(
        ("versucht", "versuch", "überdosis"),
        r"\b(?:habe|hab|hatte) (?:schon )?(?:mal |einmal )?versucht,? (?:mich umzubringen|mir das leben zu nehmen|zu sterben)",
        r"\b(?:mein|meinem|meinen|nach dem) (?:letzten? )?(?:suizid|selbstmord)versuch",
    ),
    "plan": Hinted.any_of(
        ("plan", "abschiedsbrief", "tabletten", "pillen"),
        r"\babschiedsbrief",
        r"\bplan,? (?:mich umzubringen|zu sterben)",
        r"\b(?:tabletten|pillen) (?:gesammelt|gehortet)",
    ),
    "thoughts": Hinted.any_of(
        ("umbring", "umzubring", "das leben nehmen", "das leben zu nehmen", "suizid", "selbstmord"),
        r"\b(?:mich|mir) (?:selbst )?um(?:zu)?bringe?n?\b",
        r"\bdas leben (?:zu )?nehmen\b",
        r"\b(?:suizid|selbstmord)(?!prävention|versuch (?:meines|meiner|von))\w*",
    ),
    "wish": Hinted.any_of(
        ("sterben", "tot", "leben", "aufwachen", "aufzuwachen", "nicht mehr da", "besser dran"),
        r"\b(?:will|möchte|wollte|würde gern) (?:nur noch |einfach )?(?:sterben|tot sein)",
        r"\bwäre (?:ich )?(?:am liebsten )?tot\b",
        r"\b(?:will|möchte|mag) (?:einfach )?nicht mehr (?:leben|da sein|aufwachen)",
        r"\bnicht mehr aufzuwachen\b",
        r"\bohne mich besser dran\b",
    ),
    "self_harm": Hinted.any_of(
        ("ritz", "verletz", "selbstverletz"),
        r"\b(?:ritze|ritzen|geritzt) (?:mich)?|\bmich (?:selbst )?(?:ritz|geritzt|verletz(?:e|en)\b)",
        r"\bselbstverletz",
    ),
    "harm_to_others": Hinted.any_of(
        ("bring", " um"), r"\bich (?:bringe|bring|werde) (?:ihn|sie|meinen? \w+) um(?:bringen)?\b"
    ),
}
SPANISH: Mapping[str, Hinted] = {
    "behaviour": Hinted.any_of(
        ("intent",),
        r"\b(?:intenté|he intentado|había intentado) (?:matarme|suicidarme|quitarme la vida|morir)",
        r"\b(?:mi|un|el) (?:último )?intento de suicidio",
    ),
    "plan": Hinted.any_of(
        ("plan", "de despedida", "pastillas"),
        r"\bcartas? de despedida",
        r"\bplan para (?:matarme|morir|suicidarme)",
        r"\b(?:guardado|juntado) (?:las )?pastillas",
    ),
    "thoughts": Hinted.any_of(
        ("matarme", "suicid", "quitarme la vida", "acabar con"),
        r"\bmatarme\b",
        r"\bsuicid(?:arme|io|a)\b",
        r"\bquitarme la vida\b",
        r"\bacabar con (?:todo|mi vida)\b",
    ),
    "wish": Hinted.any_of(
        ("morir", "muert", "vivi", "desaparecer", "despert", "sin mí", "estar aquí"),
        r"\b(?:quiero|quisiera|querría|ganas de) (?:morir|morirme|estar muert[oa]|desaparecer)",
        r"\bno (?:quiero|quisiera) (?:vivir|seguir viviendo|despertar|estar aquí)",
        r"\bojalá (?:estuviera muert|no despert)",
        r"\bestarían mejor sin mí\b",
    ),
    "self_harm": Hinted.any_of(
        ("cortarme", "me corto", "me corté", "lastimarme", "hacerme daño", "autolesi"),
        r"\b(?:cortarme|me corto|me corté|lastimarme|hacerme daño)\b",
        r"\bautolesi",
    ),
    "harm_to_others": Hinted.any_of(
        ("matarlo", "matarla", "matar a"), r"\bvoy a matar(?:lo|la|los| a mi)\b|\bquiero matar(?:lo|la| a mi)\b"
    ),
}
FRENCH: Mapping[str, Hinted] = {
    "behaviour": Hinted.any_of(
        ("essayé", "tentative", "tenté"),
        r"\bj'ai (?:déjà )?(?:essayé|tenté) de (?:me tuer|me suicider|mourir|mettre fin)",
        r"\bma (?:dernière )?tentative(?: de suicide)?\b",
    ),
    "plan": Hinted.any_of(("plan", "d'adieu"), r"\blettres? d'adieu", r"\bplan pour (?:me tuer|mourir|en finir)"),
    "thoughts": Hinted.any_of(
        ("me tuer", "suicid", "en finir", "mettre fin"),
        r"\bme tuer\b",
        r"\bsuicid(?:er|aire|e)\b",
        r"\b(?:envie|veux|pense à|penser à) (?:d')?en finir\b",
        r"\bmettre fin à mes jours\b",
    ),
    "wish": Hinted.any_of(
        ("mourir", "mort", "vivre", "disparaître", "réveiller", "sans moi", "être là"),
        r"\b(?:veux|voudrais|envie de) (?:mourir|disparaître|être mort)",
        r"\bne (?:veux|voudrais) (?:plus|pas) (?:vivre|me réveiller|être là)",
        r"\bmieux sans moi\b",
    ),
    "self_harm": Hinted.any_of(
        ("mutil", "me couper", "me fais du mal", "me faire du mal", "scarifi"),
        r"\b(?:automutil|scarifi)\w*",
        r"\bme (?:couper|fais du mal|faire du mal)\b",
    ),
    "harm_to_others": Hinted.any_of(("tuer",), r"\bje vais (?:le|la|les) tuer\b|\bje veux tuer (?:mon|ma)\b"),
}
BY_LANGUAGE: Mapping[str, Mapping[str, Hinted]] = {"en": ENGLISH, "de": GERMAN, "es": SPANISH, "fr": FRENCH}
"""Other languages have none: there nothing is found, which docs/guard.md says."""

TIERS: Mapping[str, str] = {"behaviour": "plan", "plan": "plan", "thoughts": "thoughts", "wish": "thoughts"}
"""The tier of the safety gate that a level speaks for; harm without a wish to die has none."""

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
    r"\b(?:dead|dying|die|died) (?:tired|serious|set|line|end|weight|laughing|of (?:laughter|boredom|embarrassment|shame|thirst|hunger|cancer)|to (?:know|see|go|meet|try|tell)|for a)\b",
    r"\bto die for\b|\bover my dead body\b|\bdrop[- ]dead\b|\bscared to death\b|\bbored to death\b|\bsuicide (?:squad|prevention|hotline|line|watch|awareness|bomb\w*)\b",
    r"\b(?:accidentally|by accident) (?:hurt|cut|burn(?:ed|t)?) myself\b",
    r"\b(?:hurt|cut|burn(?:ed|t)?|injured|hit) myself (?:shaving|cooking|lifting|running|falling|at (?:the gym|work|practice|football|training)|on (?:a|the|some)|in the (?:kitchen|garden|gym)|while|playing|chopping|opening|by accident)",
    r"\b(?:don't|dont|doesn't|without|not|mustn't|won't|i'd) (?:\w+ )?(?:hurting|hurt|injure|injuring) myself(?= (?:lifting|running|at|in the gym|again at|when i (?:lift|run|train)))",
    r"\bend it (?:with|between)\b",
)
"""What only sounds like it."""
OTHERS = Hinted.any_of(
    ("suicid", "attempt", "kill", "overdose", "own li", "his li", "her li", "their li"),
    r"\b(?:brother|sister|mother|father|mom|mum|dad|friend|friends|son|daughter|cousin|uncle|aunt|neighbou?r|colleague|classmate|husband|wife|partner|boyfriend|girlfriend|ex|grand\w+|roommate|he|she|somebody|someone|kid|boy|girl|patient|buddy|mate)s?(?:'s)?"
    r"(?: (?:once|who|also|recently|actually|even|had|has|have|just|tried|tried to|attempted|attempted to|died by|committed|died|by|of|to|a|died from|in|nearly|almost|is|was|did|going to|wanted to))* "
    r"(?:kill(?:ed|ing)? (?:himself|herself|themsel\w+)|suicid\w*|attempt(?:ed)?|overdosed|took (?:his|her|their) (?:own )?li(?:fe|ves))\b",
    r"\b(?:his|her|their|'s) (?:suicide|attempt|overdose)\b",
    r"\blost (?:\w+ ){1,3}to suicide\b",
)
"""Somebody else did it or tried to."""
ASKED = Hinted.any_of(
    ("suicidal", "planning something", "going to", "gonna"),
    r"\b(?:if|whether) (?:i|i'm|im|i am|i was|you'?re?) (?:am |was |were |feel |'m )?(?:suicidal|planning something|going to hurt)\b",
    r"\b(?:ask\w*|think|thinks|thought|said|says) (?:me |that )?(?:if |whether )?i(?:'m|m| am| was) (?:suicidal|going to|gonna)\b",
)
"""A question or a claim of others that is only told."""
DENIALS: Mapping[str, str] = {
    "en": r"\b(?:not|never|no|don't|dont|didn't|didnt|wouldn't|wouldnt|won't|wont|isn't|isnt|nothing|nor|without|ain't)(?: (?!wait\b|stop\b|help\b|mind\b)[\w']+){0,5} $",
    "de": r"\b(?:nicht|nie|kein\w*|niemals)(?: \w+){0,4} $",
    "es": r"\b(?:no|nunca|jamás|sin)(?: \w+){0,4} $",
    "fr": r"\b(?:pas|jamais|aucun\w*|sans)(?: \w+){0,4} $",
}
"""Before a finding, in its clause: it is denied. By language."""
