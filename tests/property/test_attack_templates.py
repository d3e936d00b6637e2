"""Templates of models and of users that never end or fill the memory: refused, within the memory and the time that is left."""

import resource
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.agents.prompt import render
from harness.errors import ConfigError
from harness.models.chat_template import render_chat
from harness.reading import sandbox
from tests.fixtures.attacks import MOST_MEMORY

TALK = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
MESSAGES = [{"role": "user", "content": "Hi"}]
ENDLESS = {
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "loops that write": "{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxxxx{% endfor %}{% endfor %}",
    "a loop over a list": "{% set l = range(99999)|list %}{% for a in l %}{% for b in l %}{% endfor %}{% endfor %}",
    "a macro that calls itself": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "a macro that calls itself twice": "{% macro a(n) %}{% if n %}{{ a(n-1) }}{{ a(n-1) }}{% endif %}{% endmacro %}{{ a(60) }}",
    "a loop that calls itself": "{% set l = [[1,1,1,1,1,1,1,1]] %}{% for x in l * 8 recursive %}{{ loop(l * 8) }}{% endfor %}",
    "a product": "{{ 'x' * 10**9 }}",
    "a list": "{{ [1] * 10**9 }}",
    "a power": "{{ 9 ** 99999999 }}",
    "a padding": "{{ 'x'|center(10**10) }}",
    "a padding of a method": "{{ 'x'.ljust(10**10) }}",
    "a width": "{{ '%9999999999d' % 1 }}",
    "a width of a method": "{{ '{:>9999999999}'.format(1) }}",
    "a width of a filter": "{{ '%9999999999d'|format(1) }}",
    "doubling by ~": "{% set n = namespace(x='xxxxxxxxxx') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "doubling by +": "{% set n = namespace(x='xxxxxxxxxx') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
    "a replacement": "{% set x = 'x' * 99999 %}{{ x.replace('x', x) }}",
    "a replacement by a filter": "{% set x = 'x' * 99999 %}{{ x|replace('x', x) }}",
    "a join": "{% set x = 'x' * 99999 %}{{ ([x] * 99999)|join(x) }}",
    "a join of a method": "{% set x = 'x' * 99999 %}{{ x.join([x] * 99999) }}",
    "a sum": "{{ ([[1] * 99999] * 99999)|sum(start=[]) }}",
    "tabs": "{{ ('\\t' * 99999).expandtabs(99999) }}",
    "an indentation": "{{ ('\\n' * 99999)|indent(99999) }}",
    "JSON that is indented": "{{ ([1] * 99999)|tojson(indent=99999) }}",
    "many texts": "{% set x = 'x' * 999999 %}{% set n = namespace(l=[]) %}"
    "{% for i in range(99999) %}{% set n.l = n.l + [x ~ i] %}{% endfor %}",
    "a mapping that blows up": "{{ range(99999)|map('replace', '', 'x' * 99999)|list|length }}",
    "parentheses without end": "{{" + "(" * 5000,
    "blocks without end": "{% if 1 %}" * 5000,
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "LONGEST_RENDERING_S", 0.3)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.usefixtures("impatient")
def test_a_chat_template_that_never_ends_is_cut_short(name: str) -> None:
    peak, began = _peak(), time.monotonic()
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whoever renders takes whatever a template raises)
        render_chat(ENDLESS[name] + TALK, {}, MESSAGES, ask=True, args={})
    assert not isinstance(caught.value, MemoryError)
    assert _peak() - peak < MOST_MEMORY
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.usefixtures("impatient")
def test_a_prompt_that_never_ends_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.jinja"
    path.write_text(ENDLESS[name])
    peak = _peak()
    with pytest.raises(ConfigError) as caught:
        render(str(path))
    assert len(caught.value.lines) == 1
    assert _peak() - peak < MOST_MEMORY


@settings(deadline=None)
@given(st.text(max_size=30), st.lists(st.text(max_size=10), max_size=4))
def test_bounds_change_nothing_of_what_a_template_writes(text: str, parts: list[str]) -> None:
    """As jinja2's own sandbox renders it."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    source = (
        "{% for part in parts %}{{ loop.index ~ '/' ~ loop.length ~ loop.last }}{{ part|trim|replace('a', 'bb') }}"
        "{% else %}none{% endfor %}{{ text + '!' }}{{ (text ~ parts|join(', '))|upper }}{{ '%s %d' % (text, 7) }}"
        "{{ text.replace('a', 'b').split() }}{{ ','.join(parts) }}{{ parts|map('length')|sum }}{{ '{}'.format(text) }}"
        "{{ parts|sort|list }}{{ text|tojson }}{{ 'x'|center(9) }}{{ [1, 2]|sum(start=3) }}{{ text|indent(2) }}"
    )
    ours, theirs = sandbox.Sandbox(10_000), ImmutableSandboxedEnvironment()
    values = {"text": text, "parts": parts}
    assert sandbox.rendered(ours.from_string(source), 10_000, **values) == theirs.from_string(source).render(values)
