"""Patterns in German, Spanish and French: explicit words only, with fewer variants than in English."""

from collections.abc import Mapping

from harness.guard.patterns import Hinted

GERMAN: Mapping[str, Hinted] = {
    "behaviour": Hinted.any_of(
        ("versucht", "versuch", "überdosis"),
        r"\b(?:habe|hab|hatte) (?:schon )?(?:mal |einmal )?versucht,? (?:mich umzubringen|"
        r"mir das leben zu nehmen|zu sterben)",
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
