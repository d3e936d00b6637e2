"""No spelling in which a server may echo a key leaves the key readable."""

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote

from hypothesis import example, given
from hypothesis import strategies as st

from harness.engines.openai.secrets import MASK, Scrubber

KEYS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=80)
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    str.lower,
    lambda key: json.dumps(key)[1:-1],
    lambda key: json.dumps(json.dumps(key))[1:-1],
    lambda key: "".join(f"\\u{ord(char):04x}" for char in key),
    lambda key: key.replace("/", "\\/"),
    quote,
    quote_plus,
    lambda key: quote(key, safe=""),
    lambda key: quote(quote(key, safe=""), safe=""),
    lambda key: "".join(f"%{ord(char):02x}" for char in key),
    lambda key: html.escape(key),
    lambda key: "".join(f"&#{ord(char)};" for char in key),
    lambda key: key.encode().hex(),
)
_READERS = (
    str,
    unquote,
    html.unescape,
    lambda text: re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text),
)


@example("0000000000/\\", lambda key: key.replace("/", "\\/"), "", "")
@given(KEYS, st.sampled_from(SPELLINGS), st.text(max_size=30), st.text(max_size=30))
def test_a_key_is_masked_in_every_spelling(key: str, spell: Callable[[str], str], before: str, after: str) -> None:
    told = Scrubber(key)(f"{before} Incorrect API key: {spell(key)} {after}")
    assert MASK in told
    assert all(key.lower() not in read(told).lower() for read in _READERS)


@given(KEYS, st.binary(max_size=20), st.binary(max_size=20), st.booleans())
def test_a_key_is_masked_in_base64_wherever_it_stands(key: str, before: bytes, after: bytes, safe: bool) -> None:
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    told = Scrubber(key)(f"token={encode(before + key.encode() + after).decode()}")
    assert MASK in told
    left = told.removeprefix("token=").replace(MASK, "").rstrip("=")
    assert len(left) <= 4 * (len(before) + len(after)) // 3 + 6  # at most the two letters at each end that it shares


@given(st.text(max_size=200))
def test_without_a_key_a_text_stays_as_it_is(text: str) -> None:
    assert Scrubber("")(text) == text
