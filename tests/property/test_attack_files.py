"""Files that users and other programs write, with anything in them: one clear line a mistake, never a traceback."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agents.prompt import render
from harness.agents.transcript import read_transcript
from harness.config.compose import load
from harness.errors import ConfigError, HarnessError, PersonaError, TranscriptError
from harness.paths import persona_dir
from harness.personas import library
from harness.text.visible import one_line
from tests.fixtures.attacks import JSON, SPECIALS, STEERING

GOOD = (persona_dir() / "two-cups.yaml").read_text(encoding="utf-8")
KEYS = [line.partition(":")[0] for line in GOOD.splitlines() if line[:1].isalpha()]
SCALARS = [
    *("!!int ''", "!!float ''", "!!bool maybe", "!!timestamp foo", "2020-13-45", "!!binary '***'", "!!binary aGk="),
    *("!!set {a, b}", "!!omap [a: 1]", "!!null x", "!!str {a: b}", "!!python/object/apply:os.system ['x']", "!foo bar"),
    *(
        "9" * 6000,
        "0x" + "f" * 6000,
        ":".join(["59"] * 2000),
        ".nan",
        "-.inf",
        "1e999",
        "2020-01-01",
        "2001-12-14t21:59:43Z",
    ),
    *(
        '"\\e]0;x\\a"',
        '"\\ud800"',
        '"\\0"',
        '"\\u202e"',
        "~",
        "=",
        "<<",
        "[" * 64,
        "{a: " * 64,
        "&a [*a]",
        "&a x",
        "*a",
    ),
]
SMALL = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_clear(error: HarnessError) -> None:
    """Lines that a person can read."""
    assert error.lines
    for line in error.lines:
        assert line.strip()
        assert not STEERING.search(line), repr(line)
        assert len(line) < 3000


@pytest.mark.parametrize("scalar", SCALARS)
@pytest.mark.parametrize("where", ["id", "history", "start", "a key"])
def test_a_persona_with_any_scalar_anywhere_is_taken_or_refused_line_by_line(scalar: str, where: str) -> None:
    lines = GOOD.splitlines(keepends=True)
    if where == "a key":
        text = GOOD + f"{scalar}: x\n"
    else:
        kept = [line for line in lines if not line.startswith(f"{where}:")]
        text = "".join(kept) + f"{where}: {scalar}\n"
    try:
        library.parse(text, "p.yaml")  # `1e999` is a fine id
    except PersonaError as error:
        assert_clear(error)


@SMALL
@given(
    st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_a_persona_file_of_any_bytes_is_refused_line_by_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(PersonaError) as caught:
        library.read(path)
    assert_clear(caught.value)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@SMALL
@given(st.sampled_from(KEYS), ANYTHING)
def test_a_persona_with_any_value_at_any_key_is_taken_or_refused_line_by_line(key: str, value: object) -> None:
    import yaml

    data = {**yaml.safe_load(GOOD), key: value}
    try:
        library.parse(yaml.safe_dump(data), "p.yaml")
    except PersonaError as error:
        assert_clear(error)


def test_aliases_that_blow_up_are_refused_before_anything_is_made_of_them(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(PersonaError, match="aliases are not allowed"):
        library.parse(bomb, "p.yaml")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "mine.yaml").write_text(bomb)
    with pytest.raises(ConfigError, match="more than 100000 keys and values"):
        load(["context=mine"], tmp_path)
    (tmp_path / "context" / "mine.yaml").write_text("a: &a [1]\nb: *a\nc: &c [*c]\n")
    with pytest.raises(ConfigError, match="is inside the value that it stands for"):
        load(["context=mine"], tmp_path)


YAML = (
    *(b"a: !!int ''", b"- a", b"a: \x1b[2J", b"a: ${nope}", b"? [a]\n: b", b"defaults: 7", b"defaults: [nope]"),
    *(b"defaults: [{a: {b: c}}]", b"2020-01-01: x", b"<<: 7"),
)


@pytest.mark.parametrize("name", ["config.yaml", "context/mine.yaml"])
@pytest.mark.parametrize("content", [*JSON.values(), *YAML])
def test_a_config_file_of_any_bytes_is_refused_line_by_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    group = path.parent.name
    try:
        load(["engine=dry", *([f"{group}=mine"] if path.parent != tmp_path else [])], tmp_path)
    except ConfigError as error:
        assert_clear(error)


VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "9" * 6000,
                "1e999",
                "nan",
                "[1",
                "{a",
                "'",
                '"',
                "}",
                "[" * 2000,
                "{a:" * 500,
                "null",
                "",
                "[]",
                "{}",
                "[[]]",
                "1,2",
            ),
            *(
                "${a}",
                "${",
                "${oc.env:NOPE}",
                "${oc.decode:'['}",
                "range(1,9)",
                "glob(*)",
                "\x1b[2J",
                "\0",
                "\udcff",
                "\u202e",
            ),
            *(
                "=",
                "a=b",
                "0x10",
                "1_000",
                "-1",
                "99999999999999999999",
                "http://[",
                "http://u:p@h",
                "/dev/zero",
                "x" * 200_000,
            ),
        ]
    ),
    st.text(max_size=20),
)
SETTINGS = st.sampled_from(
    [
        *(
            "run.dir",
            "run.name",
            "seed",
            "personas",
            "concurrency",
            "max_exchanges",
            "engine",
            "model",
            "therapist",
            "context",
        ),
        *(
            "engine.base_url",
            "engine.args.x",
            "model.path",
            "therapist.sampling",
            "therapist.sampling.stop",
            "guard",
            "patient",
        ),
        *(
            "therapist.engine",
            "patient.model.template_args.x",
            "hydra.run.dir",
            "~seed",
            "+x",
            "++x.y",
            "a@b",
            "",
            "plugins",
        ),
    ]
)


@SMALL
@given(SETTINGS, VALUES)
def test_any_value_of_any_setting_is_taken_or_refused_line_by_line(key: str, value: str) -> None:
    try:
        load(["engine=dry", f"{key}={value}"])
    except ConfigError as error:
        assert_clear(error)


TRANSCRIPTS = {
    **JSON,
    "turns nested without end": b'{"session_id": "a", "turns": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a speaker that is a list": b'{"session_id": "a", "turns": [{"speaker": ["patient"], "text": "x"}]}',
    "a text that is a list": b'{"session_id": "a", "turns": [{"speaker": "patient", "text": ["x"]}]}',
    "a turn of nothing": b'{"session_id": "a", "turns": [null]}',
    "half a surrogate pair": b'{"session_id": "a", "turns": [{"speaker": "patient", "text": "\\ud800"}]}',
    "an error as a turn": b'{"session_id": "a", "turns": [{"speaker": "patient", "text": "[Error: timed out]"}]}',
    "an empty turn": b'{"session_id": "a", "turns": [{"speaker": "patient", "text": " "}]}',
    "one session twice": b'{"session_id": "a", "turns": []}\n{"session_id": "a", "turns": []}',
    "ids that steer": b'{"session_id": "\\u001b[2J", "turns": []}\n{"session_id": "b", "turns": []}',
    "a turn of 300,000 characters": b"Patient: " + b"x" * 300_000,
    "brackets": b"Patient: " + b"[a]" * 100_000,
    "a control sequence before a label": b"\x1b[2JPatient: x",
    "33 MB": b"Patient: x\n" * 3_000_000,
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_transcript_of_any_bytes_is_refused_in_a_clear_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(TRANSCRIPTS[name])
    with pytest.raises(TranscriptError) as caught:
        read_transcript(path)
    assert_clear(caught.value)


PROMPTS = {
    "parentheses without end": b"{{" + b"(" * 5000,
    "a division by zero": b"{{ 1 / 0 }}",
    "another file": b"{% include '/etc/passwd' %}",
    "three megabytes": b"x" * 3_000_000,
    "a product": b"{{ 'x' * 10**9 }}",
    "a list": b"{{ [1] * 10**9 }}",
    "a power": b"{{ 9 ** 99999999 }}",
    "a padding": b"{{ 'x'.center(10 ** 10) }}",
    "a range": b"{% for i in range(10**9) %}x{% endfor %}",
    "loops in loops": b"{% for i in range(9999) %}{% for j in range(9999) %}xxxxxxxxxx{% endfor %}{% endfor %}",
    "a macro that calls itself": b"{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "half a surrogate pair": b"{{ '\\ud800' }}",
    "the way out of the sandbox": b"{{ ''.__class__.__mro__ }}",
    "no UTF-8": b"\xff\xfe",
    "an unknown name": b"{{ nope }}",
    "a bad format": b"{{ '%d'|format('x') }}",
    "an unknown filter": b"\x1b[2J{{ 1|nope }}",
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_of_any_bytes_is_refused_in_a_clear_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.jinja"
    path.write_bytes(PROMPTS[name])
    with pytest.raises(ConfigError) as caught:
        render(str(path))
    assert_clear(caught.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "a name that is too long"])
def test_what_is_no_file_is_never_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case _:
            path = tmp_path / ("x" * 300)
    for read in (library.read, read_transcript):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert_clear(caught.value)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a loop"])
def test_a_plug_in_that_is_no_file_is_never_waited_for(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    SPECIALS[kind](tmp_path / "pluggedin.py")
    with pytest.raises(ConfigError, match="no module 'pluggedin'") as caught:
        load(["engine=dry", "plugins=pluggedin"])
    assert_clear(caught.value)


@given(st.text())
def test_a_line_of_an_error_is_one_line_whatever_it_quotes(text: str) -> None:
    (line,) = ConfigError(f"file: {text}").lines
    assert line == one_line(f"file: {text}")
    assert len(line.splitlines()) <= 1
    assert not STEERING.search(line)
