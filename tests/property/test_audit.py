"""The gaming audit: what doesn't listen earns next to nothing, good scripts earn, and mistakes in files are named."""

import json
import time
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.agents.appraisal import Listener
from harness.agents.inner_state import initial, step
from harness.audit.audit import audit, play, reference
from harness.audit.policies import fixed_policies, read_policies
from harness.audit.search import Filler, Text, groups, search
from harness.audit.voice import RuleVoice, first_person
from harness.audit.written import written_sessions
from harness.errors import ConfigError
from harness.paths import persona_dir
from harness.personas.library import load

LIBRARY = load("all", [persona_dir()])
FEW = LIBRARY[::7]
SCRIPTS = [session for session in written_sessions() if session.quality == "good"]
GOOD = reference({persona.id: persona for persona in LIBRARY}, SCRIPTS)
EARNED = audit(FEW, fixed_policies(), 20)


def test_good_scripts_earn_trust_and_hear_most_layers() -> None:
    assert GOOD.sessions == len(SCRIPTS) >= 6
    assert GOOD.trust_change >= 0.3
    assert GOOD.layers_told >= 0.55


@pytest.mark.parametrize("name", sorted(EARNED))
def test_no_fixed_policy_earns_a_third_of_the_good_scripts_or_a_fifth_of_the_layers(name: str) -> None:
    assert EARNED[name].trust_change <= GOOD.trust_change / 3
    assert EARNED[name].layers_told <= 0.2


@pytest.mark.parametrize(
    "name", ["harmful_but_warm", "agreeing_with_death", "romance", "praise", "parrot", "word_salad"]
)
def test_what_harms_or_mocks_ends_below_its_start(name: str) -> None:
    assert EARNED[name].trust_change < 0


@pytest.mark.parametrize("line", ["What happened next?", "I see. Go on.", "Mm-hmm.", "And then?", "Okay."])
def test_a_neutral_line_over_and_over_moves_next_to_nothing(line: str) -> None:
    for persona in FEW:
        if not persona.dangers():  # with them it passes over what is voiced, which costs trust
            assert abs(play(persona, lambda *_: line, 25).trust_change) < 0.05


def test_words_of_the_patient_dropped_into_frames_earn_little() -> None:
    frames = Text(
        (
            ("So it comes back to {word}.", "That makes sense."),
            ("I keep thinking about {word}.",),
            ("What about {last}?",),
        )
    )
    for persona in FEW:
        assert play(persona, Filler(frames).say, 20).trust_change <= GOOD.trust_change / 2


def test_good_sessions_stand_above_the_others_by_trust() -> None:
    """AUC of the change of trust, good against mediocre, poor and faulty ones."""
    personas = {persona.id: persona for persona in LIBRARY}
    gains: dict[bool, list[float]] = {True: [], False: []}
    for session in written_sessions():
        persona = personas[session.persona]
        ears, state = Listener(persona.language, persona.conceptualization.core_beliefs), initial(persona)
        for heard, said in zip(session.patient, session.therapist, strict=False):
            state = step(state, ears.hear(heard, said), persona)
        gains[session.quality == "good"].append(state.trust - persona.start.trust)
    won = sum((good > other) + 0.5 * (good == other) for good in gains[True] for other in gains[False])
    assert won / (len(gains[True]) * len(gains[False])) >= 0.9


def test_the_same_voice_says_the_same_and_speaks_of_itself_as_i() -> None:
    persona, state = LIBRARY[0], initial(LIBRARY[0])
    one, other = RuleVoice(persona), RuleVoice(persona)
    said = [one.say(state) for _ in range(30)]
    assert said == [other.say(state) for _ in range(30)]
    assert first_person("You still hear them, and your hands shake when they call you.") == (
        "I still hear them, and my hands shake when they call me."
    )


def test_a_search_is_the_same_under_its_seed_and_finds_more_than_it_began_with() -> None:
    name, group = next(iter(groups(FEW).items()))
    found = search(name, group, trials=30, seed=1, exchanges=6)
    assert found == search(name, group, trials=30, seed=1, exchanges=6)
    assert [point[1] for point in found.curve] == sorted(point[1] for point in found.curve) or len(found.curve) > 1
    assert found.trials == 30


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "expected a mapping"),
        ('{"a": {"lines": []}}', "a: expected either lines, or mirror: true"),
        ('{"a": {"lines": ["x"], "mirror": true}}', "either lines, or mirror"),
        ('{"a": {"lines": ["x"], "sufix": "y"}}', r"a: sufix: unknown key .*did you mean"),
        ('{"a": {"lines": ["x"], "suffix": "y"}}', "go with mirror"),
        ('{"a": 1}', "a: "),
        ("[[[", "not valid JSON"),
        ("\xff", "byte 0 is not UTF-8"),
        ('{"a": {"lines": ["x"]}, "a": {"lines": ["y"]}}', "'a' is given twice"),
        ('{"": {"lines": ["x"]}}', "expected a name"),
        ('{"a": {"mirror": "yes"}}', "mirror: expected true or false"),
        ('{"a": {"lines": "x"}}', "lines: expected a list"),
        ('{"a": {"lines": [1]}}', r"lines\[0\]: expected text"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_mistake_in_a_file_of_policies_is_named(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=said):
        read_policies(file)


def test_a_file_of_many_names_is_read_in_time(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({f"policy {n}": {"mirror": True} for n in range(40_000)}))
    began = time.process_time()
    assert len(read_policies(file)) == 40_000
    assert time.process_time() - began < 8.0


def test_the_command_prints_the_reference_and_every_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"mine": {"lines": ["That makes sense."]}, "back": {"mirror": True, "suffix": "Yes?"}}))
    code = main(
        [
            "audit",
            "patient",
            "--personas",
            "two-cups,night-guard-talks",
            "--policies",
            str(file),
            "--exchanges",
            "5",
            "--json",
        ]
    )
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert set(told["policies"]) == {"mine", "back"}
    for earned in (told["reference"], *told["policies"].values()):
        assert -1 <= earned["trust_change"] <= 1
        assert 0 <= earned["layers_told"] <= 1
