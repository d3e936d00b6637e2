"""Word lists of the classifier, in English: words that are features themselves, and groups of similar words."""

from collections.abc import Sequence

from harness.text.memo import memo
from harness.text.words import FUNCTION_WORDS, stem, word_set

FILLERS = word_set(
    """
    ah alright and but cause er hmm huh like mm mhm mm-hmm mmhmm oh ok okay right so sure then uh uh-huh um well
    yeah yep yes no
    """
)
"""Words that may precede the actual beginning of a spoken sentence."""
BACKCHANNELS = word_set(
    """
    ah alright aha exactly gotcha great good hm hmm huh i indeed know mhm mm mm-hm mm-hmm mmhmm mmm okay ok oh
    really right see sure uh uh-huh uh-hum um understand wow yeah yep yes absolutely fine no course of that's it
    got cool perfect excellent wonderful nice
    """
)
"""A sentence of at most four of these only keeps the patient talking."""
_SHORT_ANSWER = 5
"""Maximum words of a short answer."""
SHORT_ANSWERS = BACKCHANNELS | word_set("aha cool dunno idk maybe nah nope not thank thanks true you")
"""A turn of only these is a short answer or keeps the talk going, and is no repetition."""
WH = word_set("what what's how how's why where when who whose which")
AUXILIARY = word_set(
    """
    do does did don't doesn't didn't is are was were am isn't aren't wasn't weren't have has had haven't hasn't
    can could can't couldn't would wouldn't will won't should shouldn't may might shall ever any
    """
)
PRONOUNS = word_set(
    """
    you i we he she it they that this there these those your the a any anyone anybody someone anything somebody
    """
)
OPENED = word_set("what what's how how's why which who")
TAGS = frozenset(
    tuple(tag.split())
    for tag in (
        "right",
        "huh",
        "yeah",
        "okay",
        "ok",
        "correct",
        "no",
        "yes",
        "is that right",
        "is that it",
        "isn't it",
        "aren't you",
        "don't you",
        "you know",
        "does that sound right",
        "is that fair",
        "is that correct",
        "am i right",
        "wasn't it",
        "didn't you",
        "haven't you",
        "eh",
        "hmm",
        "mm",
        "does that fit",
        "did i get that right",
        "have i got that right",
        "am i getting that right",
        "is that about right",
        "would you say",
        "isn't that right",
        "does that make sense",
        "am i hearing you right",
        "is that accurate",
        "or not",
        "or no",
        "then",
        "is that what you mean",
        "is that what you're saying",
    )
)


def is_short_answer(words: Sequence[str]) -> bool:
    """Whether a turn, given as lower-case words, is a short answer or a backchannel; False without words."""
    return 0 < len(words) <= _SHORT_ANSWER and SHORT_ANSWERS.issuperset(words)


CUES = FUNCTION_WORDS | word_set(
    """
    able absolutely accept according add advice advise afraid agenda agree agreed alcohol-free allow almost
    alone alright amazing answer anyone anything apart appreciate appointment appropriate ask asked asking
    attention aware awful bad balance because begin behind being believe best better between big bit both brave
    bright bring brings brought calm call can't care careful carried carry case caused certain challenge chance
    change changed changes check chest choice choices choose clear clearly coming comfortable common commitment
    completely concern concerned concerns confident confidence confused connect consequences consider contact
    control cope couple courage course crisis curious damage danger dangerous day days deal decide decided
    decision deep definitely depends deserve details determined die difference different difficult directions
    disagree discuss doctors doing done doubt down drop each early easier easy effects effort effective
    emergency end enjoy enough especially everybody everyone evidence exactly example excellent excuse excuses
    exercise expect experience explain explore express face fact facts fair familiar far fault fear feelings
    fight figure find finding first fine focus follow forget form forward found free frustrated frustrating fun
    future general give given gives giving glad goal goals gonna good gotta great group guess guidelines habit
    half hand hands happen happened happens happy hard harder health healthy hear heard hearing heavy hello help
    helped helpful helping helpline helps hello hi higher history hold homework honest honestly honesty hope
    hopeful hopes hopefully hotline hour huge hurt idea ideas imagine immediately impact impacts important
    importance impressed impressive improve inside instead interested interesting into issue issues it's job
    journal judge keep keeps kept kill kind know known last later learn least leave less let's level life light
    limit list listen listening lonely long longer look looking looks lose lost lots love lower main makes
    manage many matter matters maybe means meant mention mentioned meet meeting meanwhile million minute minutes
    miss mistake mixed moment month months morning motivated motivation move moving named natural nervous never
    new next nice nobody none normal normally nothing notice noticed noticing number numbers obviously odd offer
    often okay old options option order otherwise ours out overwhelmed overwhelming own page pain painful part
    parts past patients pattern people percent permission person personally pick picture place plan planning
    plans please point possible positive practical practice practise prefer prepared pressure pretty pretend
    prevent priority problem problems process program proud pull pulled push pushing put question questions
    quick quickly quit rate rather read ready realise realize really reason reasons recommend recommended record
    reduce refuse regular relax relationship relief remember remind research respect responsibility responsible
    rest result results rid risk risks risky rough rule rules run sad safe safer safety said same scale scared
    schedule second seeing seem seems seen sense serious seriously services session set several shame share
    shared sharing short should show showed shows shown sick side simple simply since situation sleep slow
    slowly small smart someone something somewhere soon sooner sorry sort sound sounds speak special specific
    spend spent stage stand start started starting statistics stay step steps stick still stop stopping story
    strange strategies strategy strength strengths stress stressed stressful stretch strong struggle struggling
    stuck studies study stuff stupid suck sucks suggest suggested suggestion suggestions suicidal suicide sum
    summarize support supposed sure surprised surprising talk talked talking taking taken team techniques tell
    telling tells terrible terms test thank thanks therapist therapy think thinking third thought thoughtful
    thoughts through time times tired today together told tomorrow tonight took torn totally touch tough track
    treatment tried tries trigger triggers trouble true trust truth try trying turn two type types unable
    understand understandable understanding upset used useful using usual usually valid value values view visit
    wait walk wanna wanted warn watch ways week weeks welcome well went whatever whether whole willing wish
    without wonder wonderful wondering words work worked working works world worried worries worry worrying
    worse worst worth write wrong year years yesterday yours imagine suppose let tend certainly likely probably
    possibly actually basically literally honestly frankly you'd you'll you've you're that'll there'll who's
    what're how're here's
    """
)
"""Words that are features themselves, because they do not name a topic."""

_ALIKE = """
tired exhausted worn drained weary fatigue burnt fatigued
hard difficult tough struggle struggling challenging rough challenge tricky
sad down low depressed unhappy miserable blue hopeless gloomy tearful cry crying
scared afraid fear frightened terrified frightening scary dread dreading
worry worried anxious nervous anxiety panic uneasy tense concern concerned
angry mad furious annoyed irritated rage temper pissed frustrated frustrating frustration fed
kid kids child children son daughter boy girl baby
mom mother mum dad father parent parents family
husband wife partner girlfriend boyfriend spouse marriage married relationship
drink drinking drank drunk alcohol beer beers wine booze liquor bottle
smoke smoking smoked cigarette cigarettes smoker nicotine pack tobacco vape vaping
weed marijuana pot high stoned drugs drug using substance
job work boss office shift career working workplace colleagues coworkers
quit stop stopping quitting cut give
sleep asleep awake bed insomnia night rest sleeping
money afford broke cost expensive bills financial debt pay rent
doctor medication meds pills medicine prescription dose medications
school class classes grades homework college teacher university study exam exams
pain hurt hurts ache sore painful suffering
alone lonely isolated loneliness nobody
weight eat eating food diet meals overweight heavy pounds fat
exercise gym walk walking running active fit workout
friend friends buddies mates pals
ashamed embarrassed shame guilt guilty embarrassing
fight argue argument arguing fighting yell yelling shouting row
die dead death dying kill suicide suicidal
overwhelmed overwhelming swamped drowning much
stress stressed stressful pressure
happy glad pleased enjoy fun joy love like
sure certain confident confidence convinced positive unsure uncertain doubt
important matter matters value care
try tried trying attempt attempted attempts effort
teeth dentist brush floss gums dental
sugar diabetes insulin glucose blood
court judge probation police arrested jail prison legal officer
house home apartment place
remember forget forgot memory
hate dislike can't stand
relax calm unwind relaxed calming relaxing
change different changed changes
bored boring boredom
sick ill illness disease health unhealthy healthy
lost loss gone miss missing grief
stuck trapped
trust believe
unfair blame blamed fault judged
ready willing prepared motivated
"""
_IRREGULAR = """
ate eat eaten | beat beaten | began begin begun | bit bite bitten | bought buy | broke break broken | brought bring
| built build | came come | caught catch
chose choose chosen | cost | did do done | drank drink drunk | drove drive driven | fell fall fallen | felt feel |
fought fight | found find | froze freeze
gave give given | grew grow grown | heard hear | held hold | hid hide hidden | hit | kept keep | knew know known |
left leave | lent lend | lied lie lying
lost lose | meant mean | met meet | paid pay | ran run | rang ring rung | said say | sang sing | sat sit | saw see
seen | sent send | shook shake | shot shoot
slept sleep | sold sell | spent spend | spoke speak spoken | stole steal stolen | stood stand | stuck | swam swim |
taught teach | threw throw thrown
thought think | told tell | took take taken | tore tear torn | understood understand | went go gone | woke wake
woken | won win | wore wear worn | wrote write written
""".replace("|", "\n")
"""Forms of one verb."""
_FORM: dict[str, str] = {}
for _line in _IRREGULAR.strip().splitlines():
    for _word in _line.split():
        _FORM[_word] = stem(_line.split()[1] if len(_line.split()) > 1 else _word)
_GROUP: dict[str, str] = {}
for _line in _ALIKE.strip().splitlines():
    _head, *_others = _line.split()
    for _word in (_head, *_others):
        _GROUP.setdefault(_FORM.get(_word, stem(_word)), f"={_head}")


@memo
def meaning(word: str) -> str:
    """The key for comparing words: the group of similar words (`=word`), else the stem."""
    root = _FORM.get(word) or stem(word)
    return _GROUP.get(root, root)


VERBS = word_set(
    """
    add aim allow ask avoid be begin believe bring buy call challenge change check choose come consider continue
    count cut decide do don't drink eat enjoy exercise explain fill find focus follow forget get give go have
    hold ignore imagine join keep leave let limit listen look lower make never notice open pay pick plan
    practice practise put read reduce relax remember replace rest ring say schedule see send set sign sit sleep
    slow speak spend stand start stay stick stop take talk tell think throw treat trust try turn use visit wait
    wake walk wash watch work write
    """
)
"""Verbs that a request begins with."""


FEELINGS = frozenset(
    map(
        stem,
        word_set(
            """
    afraid alone angry annoyed anxious ashamed bitter bored broken calm cheated confused defeated depressed
    desperate disappointed discouraged dread drained embarrassed empty exhausted exhausting fear fed frightened
    frightening frustrated frustrating frustration furious grief grieving guilt guilty happy hate heavy helpless
    hopeful hopeless humiliated humiliating hurt hurting irritated isolated jealous joy lonely loneliness lost
    love mad miserable nervous numb overwhelmed overwhelming panic painful proud rage relief relieved resent sad
    scared scary shame shocked sick stressed stressful stuck tense terrified terrifying tired torn tough trapped
    troubled uncomfortable uneasy unsure unhappy upset upsetting weary worried worry worrying worn worthless
    """
        ),
    )
)
"""Stems of words that name a feeling."""
