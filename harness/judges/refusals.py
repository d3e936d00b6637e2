"""Detects refusals to answer, in the languages that judges are likely to use."""

import re

_CANNOT = r"can(?:no|')t|cannot|won'?t|will not|am (?:not able|unable)"
_BEGINNINGS = (
    r"i'?m (?:really |very |so )?(?:sorry|unable)",
    r"i am (?:really |very |so )?(?:sorry|unable|not able)",
    rf"sorry\b|i apologi[sz]e|i (?:{_CANNOT}|must decline|refuse)|as an ai\b|unfortunately,? i (?:can|am)",
    r"leider kann ich|ich kann (?:\w+ ){0,3}nicht",
    r"je ne (?:peux|puis) pas|je ne suis pas en mesure",
    r"no puedo|non posso|não posso|nie mogę|я не могу",
    r"ik kan (?:\w+ ){0,3}niet|jag kan (?:\w+ ){0,3}inte",
    r"к сожалению|我(?:无法|無法|不能)|لا أستطيع|لا يمكنني",
)
"""Beginnings of a whole text that is a refusal. In a reason they need not be one: "I can't find such a turn"."""
_APOLOGIES = (
    rf"(?:(?:i'?m|i am) (?:really |very |so )?sorry|sorry|i apologi[sz]e),? (?:but )?i (?:{_CANNOT})",
    rf"i (?:{_CANNOT})(?: to)? (?:help|assist|comply|fulfil|engage|participate|continue|answer|respond|discuss|do that)",
    rf"i (?:{_CANNOT})(?: to)? (?:rate|judge|evaluate|assess) (?:this|that|the|such)",
    rf"as an ai\b.{{0,60}}(?:{_CANNOT})",
    r"(?:es )?tut mir leid|entschuldigung\b|entschuldigen sie",
    r"(?:je suis )?(?:vraiment )?désolée?\b",
    r"lo siento|mi dispiace|sinto muito|desculpe|lamento\b",
    r"het spijt me|przykro mi|przepraszam|tyvärr",
    r"üzgünüm|özür dilerim|извините|простите",
    r"(?:很|非常)?抱歉|对不起|對不起|申し訳|すみません|ごめんなさい|죄송|미안",
    r"عذر|آسف|क्षमा करें|माफ़ करें",
)
"""Beginnings of a reason that is a refusal: with a schema, a model can only decline within its answer."""
_TEXT = re.compile(rf"^\W*(?:{'|'.join((*_BEGINNINGS, *_APOLOGIES))})", re.IGNORECASE)
_REASON = re.compile(rf"^\W*(?:{'|'.join(_APOLOGIES)})", re.IGNORECASE)


def is_refusal(text: str) -> bool:
    """Whether the whole text of a model is a refusal."""
    return bool(_TEXT.match(text.replace("\u2019", "'")))


def reason_declines(reason: str) -> bool:
    """Whether the reason of an answer is a refusal."""
    return bool(_REASON.match(reason.replace("\u2019", "'")))
