"""English phrases by which a therapist's turn shows what it does, each matched at the start of a word.

Chosen after the behaviour codes of motivational interviewing (MITI 4.2.1, Moyers et al. 2014: reflection, affirmation,
persuasion, confrontation).
"""

# fmt: off
VALIDATING = (
    "that sounds hard", "sounds really hard", "sounds so hard", "sounds painful", "sounds exhausting",
    "sounds lonely", "sounds frightening", "sounds heavy", "sounds tough", "sounds difficult",
    "sounds really difficult", "sounds incredibly", "sounds like a lot", "sounds overwhelming", "must be hard",
    "must have been", "must be so", "must feel", "makes sense", "make sense that", "understandable", "no wonder",
    "of course you", "anyone would", "anyone in your place", "many people would", "you are not alone",
    "you're not alone", "not your fault", "wasn't your fault", "i'm sorry you", "i'm sorry that", "i am sorry",
    "i'm so sorry", "thank you for telling", "thank you for sharing", "thank you for trusting", "takes courage",
    "took courage", "took a lot to", "that took", "i can see why", "i can see how", "i can hear how", "i hear how",
    "you have every right", "good reason", "that matters", "it's okay to feel", "it's ok to feel", "okay to feel",
    "really hurt", "how painful", "how hard", "how lonely", "how tired", "i believe you", "you've carried",
    "you have carried", "been carrying", "you went through", "your feelings are valid", "that was cruel",
    "deserved better",
)
"""Takes a feeling as understandable."""
REFLECTING = (
    "it sounds like", "it sounds as if", "sounds like you", "so you", "what i hear", "i hear you", "i'm hearing",
    "i hear that", "if i understand", "let me see if i", "you're saying", "you are saying", "you feel", "you felt",
    "part of you", "you mentioned", "you said", "you told me", "in other words", "it seems that you",
    "it seems like you", "did i get that right", "is that right", "am i understanding", "there's something about",
)
"""Gives back what was said or meant."""
OPEN_QUESTION = (
    "what", "how", "tell me", "could you say", "can you say", "would you like to say", "can you describe",
    "where do you", "who", "when did", "i wonder", "i'm curious", "say more", "what's it like",
    "help me understand",
)
"""Opens a question (counted only with a question mark)."""
ADVISING = (
    "you should", "you need to", "you have to", "you must", "you could try", "try to", "try this", "try doing",
    "let's try", "have you tried", "have you considered", "why don't you", "why not", "i suggest", "i'd suggest",
    "i recommend", "i'd recommend", "i would suggest", "i would recommend", "my advice", "i want you to",
    "i'd like you to", "start by", "make a list", "write down", "keep a journal", "keep a diary", "one technique",
    "a technique", "an exercise", "a strategy", "strategies", "set a goal", "set goals", "practice", "practise",
    "take a deep breath", "deep breaths", "it's important to", "important that you", "focus on", "remember to",
    "make sure", "set aside", "reach out to", "challenge that thought", "challenge those thoughts", "consider",
    "homework",
)
"""Tells what to do."""
RUSHING = (
    "let's move on", "moving on", "let's get started", "right away", "as soon as", "just do", "just try", "simply",
    "just stop", "just think", "just tell", "all you need", "all you have to", "come on", "quickly", "hurry",
    "by next week", "this week i want", "first of all", "secondly", "next step", "the next thing", "let's jump",
    "let's dive", "let's go ahead", "no excuses", "get to the point", "step one", "step two",
)
"""Hurries."""
MISSING = (
    "at least", "look on the bright side", "bright side", "calm down", "don't worry", "stop worrying",
    "not that bad", "isn't that bad", "it could be worse", "could be worse", "others have it worse", "get over it",
    "move past it", "let it go", "cheer up", "be positive", "think positive", "stay positive", "positive thinking",
    "everyone feels", "everybody feels", "everyone goes through", "we all", "happens to everyone", "overreacting",
    "too sensitive", "exaggerating", "being dramatic", "irrational", "you're wrong", "not realistic", "snap out",
    "i know exactly how", "time heals", "everything happens for a reason", "be grateful", "should be grateful",
    "you shouldn't feel", "don't feel", "don't be", "why did you let", "what did you do to", "your own fault",
    "you're just", "as i said", "like i said", "as i told you", "you're not listening",
)
"""Brushes aside, blames, or corrects a feeling."""
GENTLE = (
    "take your time", "no rush", "no hurry", "at your pace", "your own pace", "slow down", "slowly", "slower",
    "one thing", "only if you", "if you'd like", "if you want to", "if that's okay", "we don't have to",
    "you don't have to", "no need to", "stay with", "sit with", "let's pause", "we can stop", "just one", "small",
    "bit by bit",
)
"""Slows down and leaves room; takes the edge off haste."""
CUES = {
    "validating": VALIDATING,
    "reflecting": REFLECTING,
    "advising": ADVISING,
    "rushing": RUSHING,
    "missing": MISSING,
    "gentle": GENTLE,
}
"""What is counted in every turn."""
COMMON = frozenset((
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "being", "but", "by", "can", "can't", "could", "did", "do", "does", "doing", "don't", "down",
    "even", "ever", "feel", "for", "from", "get", "go", "going", "got", "had", "has", "have", "having", "he", "her",
    "here", "him", "his", "how", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "it", "it's", "its",
    "just", "know", "let", "like", "make", "me", "might", "more", "much", "my", "no", "not", "now", "of", "off",
    "on", "one", "only", "or", "other", "our", "out", "over", "really", "say", "she", "should", "so", "some",
    "something", "sometimes", "than", "that", "that's", "the", "their", "them", "then", "there", "these", "they",
    "thing", "things", "think", "this", "those", "to", "too", "up", "us", "very", "was", "we", "well", "were",
    "what", "when", "where", "which", "while", "who", "why", "will", "with", "would", "yes", "you", "you're",
    "your", "yourself",
))
"""Words too common to show that somebody listened."""
# fmt: on
