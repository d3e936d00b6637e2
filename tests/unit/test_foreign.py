"""A turn in another language than the patient's is not understood; a borrowed word or a name is no other language."""

import pytest

from harness.agents.appraisal import Listener
from harness.agents.cues import read
from harness.agents.foreign import foreign

FOREIGN = [
    ("Das klingt wirklich schwer, und Sie sind damit allein.", "en"),
    ("Je comprends, c'est dur.", "en"),
    ("Vous souffrez à cause de la boulangerie.", "en"),
    ("Eso suena muy difícil para usted.", "en"),
    ("Это очень тяжело, и вы совсем одна.", "en"),
    ("You never got a say in the rentrée, did you.", "fr"),
    ("That sounds hard, and you are alone with it.", "de"),
    ("You carry that by yourself.", "es"),
]
HOME = [
    ("You called it Schadenfreude, and you were ashamed of it.", "en"),
    ("So Señora Pérez was the first who asked.", "en"),
    ("Mm-hmm.", "en"),
    ("Bone tired.", "en"),
    ("", "en"),
    ("Das klingt schwer, und Sie tragen es allein.", "de"),
    ("Vous portez ça toute seule depuis la rentrée.", "fr"),
    ("Lo lleva usted sola desde hace tiempo.", "es"),
]


@pytest.mark.parametrize(("text", "language"), FOREIGN)
def test_another_language_is_known(text: str, language: str) -> None:
    assert foreign(text, read(text).words, language)
    heard = Listener(language).hear("The bakery, la boulangerie, die Bäckerei, la panadería: I was alone there.", text)
    assert heard.listened == 0
    assert heard.confusing == 1


@pytest.mark.parametrize(("text", "language"), HOME)
def test_a_borrowed_word_is_no_other_language(text: str, language: str) -> None:
    assert not foreign(text, read(text).words, language)
