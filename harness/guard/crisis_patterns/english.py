"""English patterns for each level of crisis content."""

from collections.abc import Mapping

from harness.guard.patterns import Hinted

_I = r"(?:i|i'm|im|i am|i've|ive|i have|i'd|id|i'll|ill)"
_NOT = r"(?:not|n't|don't|dont|didn't|didnt|never|no longer|wouldn't|wouldnt|couldn't|couldnt|needn't)"
_WANT = (
    r"(?:want(?:ed|ing)? to|wanna|wish(?:ed|ing)? (?:to|i could)|ready to|rather|hope (?:to|i)|"
    r"wish i(?:'d| would)?|like to|just)"
)
_MEANS = (
    r"(?:hang(?:ing)? myself|overdos(?:e|ing)|shoot(?:ing)? myself|jump(?:ing)? (?:off|in front of)|"
    r"tak(?:e|ing) (?:all|all of) (?:my|the|those|these) pills"
    r"|(?:step|walk)(?:ping|ing)? (?:in front of|into traffic)|slit(?:ting)? my wrists|driv(?:e|"
    r"ing) (?:my car |it )?(?:off|into)|crash(?:ing)? (?:my|the) car)"
)
_INTENDS = (
    r"(?:plan|planned|planning|know how|decided|going to|gonna|ready|want|wanted|wanna|thinking (?:of|"
    r"about)|thought (?:of|about)|think about"
    r"|thoughts (?:of|about)|fantasi[sz]\w* (?:of|about)|picture|imagine|saved (?:up )?(?:the |my )?(?:pills|meds))"
)
_FAMILY = (
    r"(?:husband|wife|boss|father|mother|dad|mom|mum|brother|sister|kids?|child|children|baby|son|"
    r"daughter|girlfriend|boyfriend|partner|ex)"
)
_DIE = (
    r"(?:die|be dead|be gone|not exist|not be here|not be alive|disappear|vanish|stop existing|"
    r"cease to exist|fade away|go to sleep forever)"
)
_KILL = (
    r"(?:kill(?:ing)? (?:myself|my self|meself)|kms|unaliv(?:e|ing)(?: myself)?|"
    r"commit(?:ting)? suicide|suicid(?:e|ing)|(?<=to )off myself|(?<=gonna )off myself|"
    r"(?<=just )off myself|(?<=of )offing myself|(?<=about )offing myself|"
    r"end(?:ing)? (?:my (?:own )?life|it all|myself)|tak(?:e|ing) my (?:own )?life|"
    r"top(?:ping)? myself|do(?:ing)? (?:myself in|away with myself))"
)
_AGENT = (
    r"(?:i(?:'m| am|m)? (?:going to|gonna|want to|wanna|will|would like to|might|plan to|have to|need to)|"
    r"i'll|i want(?:ed)? to|i wanna|i feel like|i felt like"
    r"|urge to|thoughts? (?:of|about)|thinking (?:of|about)|think about|thought about|"
    r"afraid (?:that )?i(?:'ll| will| might)|scared (?:that )?i(?:'ll| will| might)|planning to|"
    r"planned to|tried to)"
)

ENGLISH: Mapping[str, Hinted] = {
    "behaviour": Hinted.any_of(
        ("tried", "attempt", "i took", "i swallowed", "overdosed", "i od", "my wrists"),
        r"\b(?:i|i've|ive|i have|i'd|i had) (?:(?:already|once|just|nearly|almost|actually|even) )?(?:tried|"
        r"attempted) (?:to )?"
        rf"(?:{_KILL}|die|suicide|hang myself|overdose|od)\b",
        r"\b(?:my|a|last|previous|first|second|another|failed) (?:\w+ )?suicide attempt\b",
        r"\bsince my (?:last |first )?attempt\b(?! (?:at|to))",
        r"\bi(?:'ve|ve| have)? (?:actually |already |once )?attempted(?: (?:once|twice|before|suicide|it|last|"
        r"when|in|years|a few|three)| *[.,!?]|$)",
        r"\bi (?:took|swallowed) (?:all (?:of )?(?:my|the)|a whole bottle of|an overdose|a (?:bunch|"
        r"handful) of (?:my |the )?(?:pills|meds|tablets)|too many (?:pills|meds|tablets))\b",
        r"\bi (?:overdosed|od'?d)\b",
        r"\bi (?:cut|slit) my wrists\b",
    ),
    "plan": Hinted.any_of(
        (
            "alive",
            "be here",
            "be around",
            "good-bye",
            "in order",
            "a way",
            "a method",
            "nothing more",
            "nothing else",
            "nothing left",
            "when i do",
            "i'll do it",
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
        r"\bplanning to die\b|\b(?:the|my|those|some|enough) (?:\w+ )?(?:pills|tablets|meds) (?:are "
        r"|all )?(?:counted|saved|lined|laid|hidden|"
        r"ready)(?: out| up)?\b",
        r"\bsuicide (?:note|plan|letter)s?\b",
        r"\b(?:i've|ive|i have|i had|i did|did|made|making|make|got|have|had) (?:a|the|my) plan (?:to (?:die|"
        r"end|kill|do it)|for how|with (?:the|my) (?:pills|meds)|once)\b",
        r"\b(?:writ\w+|wrote) (?:a |my |the |some )?(?:goodbye|good-bye|farewell|suicide) (?:note|letter|"
        r"message)s?\b|\bgoodbye (?:note|letter)s?\b",
        r"\b(?:saved|saving|stockpil\w+|collect\w*|hoard\w*|counted|counting|research\w*|looked up|googl\w+|"
        r"searched)\b.{0,30}\b(?:pills|meds|tablets|methods|overdose|ways to (?:die|do it|end))\b",
        r"\bpills i (?:researched|saved|counted|hid|looked up)\b",
        rf"\b(?:ways|how|best way|easiest way) to (?:die|{_KILL}|do it painlessly|end it)\b",
        r"\bi (?:know|decided|figured out|worked out|planned|thought about) (?:exactly )?(?:how|when|"
        r"where)(?: and \w+)? (?:i'd|i would|i'll|i'm going to|to) (?:do it|die|end|kill)\b",
        r"\bi(?:'ve| have)? (?:picked|chosen|chose|set|got) (?:a|the) (?:day|date|bridge|spot|"
        r"night)\b(?=.{0,40}\b(?:die|end|kill|jump|do it|gone)\b)",
        r"\bi(?:'ve| have)? (?:bought|got|have) (?:a|the) (?:gun|rope)\b(?=.{0,60}\b(?:myself|die|end|do it|kill)\b)",
        rf"\bi(?:'m| am|m) (?:going to|gonna|about to) (?:{_KILL}|die|end it|do it) (?:tonight|tomorrow|today|"
        r"this week)\b",
        r"\bi(?:'ve|ve| have)? decided to (?:die|end it|end my life|kill myself)\b",
        r"\b(?:i'm|im|i am) not going to be alive\b|\bi (?:won't|wont|will not|shall not|shan't) be alive\b",
        r"\bi (?:won't|wont|will not|shall not|shan't) be here (?:tomorrow|by|next|at|come|any ?more)\b|"
        r"\bafter (?:that|this|today|tomorrow|\w+|the \w+),? i (?:won't|wont|will not|shall not|"
        r"shan't) be (?:here|around|alive)\b",
        r"\b(?:came|come|wanted|here) to say good-?bye\b(?! to (?:my|him|her|them|the))|\b(?:put|putting|got|"
        r"getting) my (?:affairs|things|papers) in order\b(?=.{0,80}\b(?:gone|goodbye|after i|won't have to|"
        r"wont have to)\b)",
        r"\b(?:decided on|chosen|picked|settled on) a (?:way|method)\b|\b(?:i'll|i will|"
        r"i'm going to) do it\b(?=.{0,40}\b(?:picked|chosen|decided|settled)\b)|\b(?:after|from) (?:today|"
        r"tonight|tomorrow) there'?s nothing (?:more|else|left)\b",
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
        r"\b(?:thoughts?|thinking|think|thought|dream\w*|fantasi[sz]\w*|obsess\w*|daydream\w*) (?:a lot |"
        r"all the time |constantly |often |sometimes )?(?:of|about) (?:my own )?(?:dying|death|being dead)\b",
        r"\b(?:just|want to|wanna|going to|gonna|could|ready to|thinking of|thinking about|thought about|"
        r"thought of|think about|urge to) (?:just )?end(?:ing)? it\b(?! with| between)",
        r"\b(?:rather|might as well|may as well|should just|could just) (?:just )?(?:die|be dead)\b",
    ),
    "wish": Hinted.any_of(
        (
            "not be",
            "wasn't",
            "weren't",
            "wasnt",
            "werent",
            "relieved",
            "not to wake",
            "right to live",
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
                "mind",
                "would just",
                "would end",
                "just end",
                "were not",
                "go on",
                "was over",
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
        r"(?<!n't )(?<!dont )(?<!not )\b(?:want(?:ed)?|wanna|wish(?:ed)?|ready|rather|hope|hoping|"
        r"prefer) (?:to |i could |i'd |i would )?(?:just )?(?:die\b(?! early| young| of | for )|be dead|"
        r"be gone|stop existing|cease to exist|not exist)",
        r"(?<!n't )(?<!dont )(?<!not )\b(?:wanna|want to) die\b(?! early| young| of | for )",
        r"\b(?:want(?:ed)?|wanna|wish(?:ed|es)?|i could|like|about|idea of|keep|dream of|feel like|"
        r"thoughts? of|fantasi[sz]es?) (?:to |i |i'd |i could |about |of |that i )*(?:just |simply |"
        r"completely |quietly )*(?:disappear(?:ed|ing)?|vanish(?:ed|ing)?)\b(?! from (?:work|social|school|"
        r"the))",
        r"\b(?:if i|how i) (?:just |simply |could just )*(?:disappeared|vanished|died|was gone|were gone|"
        r"wasn't here|weren't here|wasnt here|didn't exist|didnt exist|wasn't around|wasnt around|"
        r"wasn't alive|stopped existing|never woke up|didn't wake up|didnt wake up)\b",
        r"\b(?:notice|care|miss me) if i (?:was|were) (?:gone|dead)\b",
        r"\bwish i(?:'d| had| was| were|'m)? (?:dead|never (?:been )?born|not (?:here|alive)|never existed|"
        r"wasn't (?:here|alive|born)|weren't (?:here|alive)|wasnt (?:here|alive))\b",
        r"\b(?:better|easier|happier) (?:off|for everyone|for everybody)(?: for \w+)?,? (?:dead|without me|"
        r"if i (?:was|were|wasn't|weren't|wasnt|just|died|disappeared|didn't|weren't|wouldn't)|with me gone|"
        r"with my life insurance|with the life insurance)\b",
        r"\b(?:everyone|everybody|they|they'd|they would|she'd|he'd|she|he|family|kids|baby|people|world|"
        r"everyone's|everybody's|they're)(?: would| might|'d|'ll| will)?(?: all| just| be| probably|"
        r" maybe)* better off(?=\s*(?:[.,…!?]|$|you know|without|if|with someone|w/o))",
        r"\b(?:not|don't|dont|didn't|didnt|no longer|never) (?:really |even |actually )?(?:want(?:ing|ed)?|"
        r"wanna|wish) (?:to )?(?:be (?:alive|here|around)(?! (?:me|him|her|them|people|you|us|right|"
        r"in this (?:office|room|session|meeting)|today|long|when|with you))|wake up(?! (?:at|early|late|so|"
        r"before|for|in time|to (?:feed|the|go|that))\b)|live\b(?! (?:in|with|at|here|there|near|alone|like|"
        r"this|by|on|off|under|a lie|that))|exist|go on living|keep living|be in this world)",
        r"\b(?:no|what's the|whats the|what is the|see the|see any|is there a|is there even a) (?:reason|"
        r"point) (?:to|in|of) (?:me |even |me even )?(?:live|living|be alive|being alive|being here|existing|"
        r"going on|go on)\b",
        r"\b(?:even )?the point of (?:going on|living|being here|being alive|existing)\b",
        r"\b(?:wish|hope|pray\w*|hoping|wishing|close my eyes and|go to sleep and|fall asleep and|"
        r"mind)(?: (?:that|to|i|if|god|could|would|'d|just|sometimes|simply|never|i'd|and|go|sleep|close|my|"
        r"eyes|fall|asleep))* (?:not|never|wouldn't|wouldnt|didn't|didnt|don't|dont|won't|wont|"
        r"couldn't)(?: (?:have to|just|ever|even))* wake up\b",
        r"\bnot (?:have to |having to )?(?:wak(?:e|ing) up)(?: (?:again|tomorrow|at all|anymore|ever|one day|"
        r"in the morning))?(?=\s*(?:[.,…!?]|$|you know|and face|to another|sounds|would))",
        r"\bnever (?:have to )?wak(?:e|ing) up(?: again)?\b",
        r"\b(?:not|stop|of not|about not|to not) (?:existing|exist|being here|being alive|be here anymore|"
        r"be alive anymore|being around)\b",
        r"\b(?:i )?(?:just )?(?:don't|dont|do not|didn't|can't|cant) (?:want to |wanna )?(?:be here|exist|"
        r"be alive|be around)(?: anymore| any more| any longer)?(?! (?:me|him|her|them|people|you|"
        r"us)\b)(?=\s*(?:[.,…!?]|$|sometimes|and|but|like))(?<!can't be here)(?<!cant be here)",
        r"\b(?:tired|sick|done|exhausted|weary) (?:of|with) (?:living|life|being alive|existing|existence|"
        r"being here)\b(?! (?:with|in|at|like|alone|here|there|off))",
        r"\b(?:want|wanted|wish|need|needed|ready for) (?:for )?(?:it|this|"
        r"everything) (?:all )?(?:to (?:just )?(?:be over|end)|would (?:just )?end|"
        r"was over)\b(?=\s*(?:[.,…!?]|$|so|and|forever|for good))",
        r"\bi(?:'ll| will| might)? (?:not|won't|wont)? ?be (?:gone|around much longer|"
        r"here much longer) (?:soon|anymore|anyway)\b|\bi (?:won't|wont|will not|might not|"
        r"may not) be (?:around|here) (?:much longer|anymore|for long|by then)\b",
        r"\b(?:do|be|are|manage) better (?:off )?without me\b|\b(?:easier|better|nicer) not to wake up\b|"
        r"\bcould be not around\b|\bnot be around (?:anymore|any more|any longer)\b",
        r"\b(?:wouldn't |wouldnt |would not )?mind(?:,? you know)?[.,]*\s*,? ?if (?:it|i) (?:all )?(?:just |"
        r"simply )*(?:didn't go on|did not go on|didn't wake up|ended|died|was over|stopped|were gone|"
        r"was gone)\b",
        r"\b(?:needn't|not|never|wouldn't have to|didn't have to) (?:ever )?be morning (?:again|anymore)\b",
        r"\b(?:sleep|asleep) and (?:just )?(?:not|never) wake up\b|\bsleep forever\W{0,3} ?/?(?:stuff|"
        r"thoughts?|thing|kms|and never)\b",
        r"\b(?:wish|want|wanna|hope|rather)(?: (?:to|i|could|just|can))* (?:sleep|fall asleep|go to sleep) forever\b",
        r"\b(?:leave|gone from|off|out of) this (?:world|earth|life)\b",
        r"\bworth more dead\b",
        r"\bwasn'?t (?:here|around|alive) (?:anymore|any more)\b",
        r"\b(?:shouldn't|shouldnt|don't deserve to|dont deserve to) (?:be alive|exist|live)\b",
        r"\bhope i (?:die|don't wake|dont wake|never wake)\b",
        r"\bnot (?:going to|gonna) (?:be here|be around) (?:much longer|anymore|for long)\b",
        r"\bhop(?:e|ed|ing) not to wake\b|\b(?:like|want|rather|love|wish) to (?:just |"
        r"simply )?not be(?: here| there| around| alive)?(?=\s*(?:[.,…!?]|$|any ?more))",
        r"\bif i (?:just )?(?:wasn't|weren't|wasnt|werent|was not|were not) (?:here|there|around) any ?more\b",
        r"\bno right to (?:go on )?(?:live|living|be alive|exist)\b|\b(?:better|easier|happier|"
        r"relieved) (?:off )?(?:when|once|after) (?:i'm|im|i am|i'll be) (?:gone|dead)\b",
        r"\bbetter off with (?:the|my|that) (?:life )?(?:insurance|money|pension)\b",
        r"\b(?:everyone|everybody|they|she|he|family|kids|baby|partner)(?:'?s|'re|'d| is| are| would)?(?: (?:be|really|just|all|so|much|"
        r"probably|would))* better off (?:without me|with (?:someone|somebody|anyone) (?:who|that|else)|finding (?:someone|somebody))",
        r"\bhow much better off (?:she|he|they|everyone|my \w+)(?:'d| would| might)? (?:all )?be (?:without me|with (?:someone|somebody))",
        r"\b(?:everyone|everybody)(?:'?s| is| really would be| would really be) better off\b",
        r"\bwak(?:e|es|ing) up\b[^!?]{0,60}\b(?:wish(?:ing|es)? (?:i|she|he) hadn'?t|(?:disappointed|sad"
        r"|angry|sorry) (?:that )?i (?:woke|did|am))\b",
        r"\bdid(?:n't|nt) have to wake up (?:tomorrow|again|ever|one day)\b|\bwish(?:es|ed)? (?:she"
        r"|he) (?:would not|wouldn't|didn't) wake up\b",
        r"(?<!could )\bsleep forever\b|\bnot waking up\W{0,3} ?(?:thoughts?|feelings?|stuff|thing)\b",
        r"\bdisappearing\W{0,3} ?thoughts\b|\bwant(?:s|ing) to disappear\b|\bpeacefully disappear\b",
    ),
    "self_harm": Hinted.any_of(
        ("myself", "harm", "injur", "mutilat", "cut", "marks on", "burns on", "do it", "my wrists", "end it", "jump"),
        r"\b(?:cut|cutting|burn|burning|burned|burnt|hurt|hurting|harm|harming|harmed|injure|injuring|punish|"
        r"punishing|scratch|scratching|hit|hitting|punch|punching) (?:and \w+ )?myself\b(?! (?:out|off|up)\b)",
        r"\bself[- ]?(?:harm(?:ed|ing|s)?|injur\w+|mutilat\w+)\b",
        r"\b(?:been|started|stopped|back to|stop|urge for|urges? to|want to|wanna|tempted to) (?:cut|"
        r"cutting)(?: again)?(?=\s*(?:[.,…!?]|$|again|so|because|when|tonight|my (?:arms?|legs?|thighs?|"
        r"wrists?|skin)))",
        r"\bi cut (?:again|last night|my (?:arms?|legs?|thighs?|skin))\b",
        r"\b(?:cut|cuts|burns|marks) on (?:my|both) (?:arms?|thighs?|wrists?|legs?)\b",
        r"\b(?:voices?|they|they're)\b[^!?\n]{0,70}\b(?:tell|telling|say|says|saying|want|wants|scream|screaming|yell|yelling)\b"
        r"[^!?\n]{0,30}\bdo (?:something|some things?|stuff|things)(?: (?:bad|harmful|terrible|awful|\w+ing))? to myself\b",
        r"\bvoices?\b[^!?\n]{0,70}\b(?:tell|telling|say|says|saying|scream|screaming|yell"
        r"|yelling)\b[^!?\n]{0,25}\b(?:do it tonight|do it now"
        r"|(?:cut|slit) my wrists|jump|end it)\b",
        r"\bthey(?:'re| are| keep| won't stop)?(?: still)? (?:telling|saying"
        r"|screaming)(?: me)?\b[^!?\n]{0,12}\bi (?:need|have|should|must|got|ought)"
        r"(?: to)? (?:do it tonight|end it)\b",
    ),
    "harm_to_others": Hinted.any_of(
        (
            "murder",
            "strangl",
            "chok",
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
        rf"\b{_AGENT}(?: (?:just|really|actually|sometimes|him|to|on|of))* (?:kill|strangl|stab|shoot|chok|"
        r"smother)(?:e|ing|ling)? (?:him|her|them|everyone|everybody|somebody|someone|people|those|that|"
        rf"my {_FAMILY})\b",
        rf"\b{_AGENT}(?: (?:just|really|actually|sometimes|to|of))* (?:hurt|harm|beat|shak)(?:e|ing)? (?:him|"
        rf"her|them|everyone|somebody|someone|others|other people|my {_FAMILY}|the baby)\b",
        r"\bi (?:hurt|harmed|shook|choked) my (?:kids?|child|children|baby|son|daughter|wife|girlfriend)\b",
        rf"\b(?:going to|gonna|i'll) (?:kill|strangle|stab|shoot) (?:him|her|them|my {_FAMILY})\b",
        r"\b(?:thoughts?|fantas\w+|dreams?|urges?) (?:of|about|to) (?:kill|strangl|stab|shoot|chok|smother|"
        r"hurt|murder)(?:e|ing|ling)? (?!myself|time|me\b|it\b|off\b)[a-z]+\b",
    ),
    "child_at_risk": Hinted.any_of(
        (
            *("on his own", "on her own", "on their own", "alone", "rough with", "hits", "hurts", "beats", "shook"),
            *("room at night", "to her when", "to him when", "to them when", "to my", "nobody with", "no one with"),
            *("touches", "touched"),
        ),
        rf"\bi (?:leave|left|have to leave) (?:my {_FAMILY}|the (?:kids?|baby|children)|him|her|them|\w+) "
        r"(?:alone|on (?:his|her|their) own)\b(?=.{0,60}\b(?:two|three|four|five|six|baby|toddler|months?|"
        r"asleep|sleeps)\b)",
        r"\b(?:too )?rough with (?:him|her|the baby|the kids?|my \w+)\b"
        r"(?=.{0,60}\b(?:quiet|cried|crying|bruise|scared|too rough)\b)",
        r"\b(?:he|she|my \w+) (?:hits|beats|shook|hurts|touches|touched) (?:her|him|them|my (?:kids?|daughter|son|baby)"
        r"|the (?:kids?|baby))\b(?=.{0,80}\b(?:years old|nine|eight|seven|six|five|four|ten|little|daughter|"
        r"son|baby)\b)",
        r"\bcomes? into (?:her|his|their) (?:bed)?room at night\b",
        r"\b(?:what|of what) (?:he|she) does to (?:her|him|them|my \w+) when\b",
        r"\bthere(?:'s| is) (?:nobody|no one) with (?:him|her|them)\b",
    ),
}
"""Level to its patterns, the gravest first, in the order of the Columbia Suicide Severity Rating Scale."""
