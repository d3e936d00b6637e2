"""Checks the address of a server, without repeating secrets that it may contain.

Invariant: an address with a credential is refused, and no message shows the credential.
"""

import re
from urllib.parse import parse_qsl, urlsplit

EXAMPLE = "http://127.0.0.1:8000/v1"
_SECRET_NAME = re.compile(r"key|token|secret|pass|pwd|auth|sig|cred|jwt|session", re.IGNORECASE)
_LONGEST_VALUE = 24
"""Length in characters from which on any value in a query may be a key."""


def address_mistake(url: str) -> str | None:
    """What is wrong with `engine.base_url`, as text that follows the key; None if it is right."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:  # a bad port, bracket or host name
        return f"not a valid address, expected one such as {EXAMPLE}"
    if "@" in parts.netloc:
        return "contains a user name or password; name a variable in engine.api_key_env instead"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET_NAME.search(name) or len(value) >= _LONGEST_VALUE:
            return f"its query may hold a key ({name}=...); name a variable in engine.api_key_env instead"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return f"found {url[:200]!r}, expected an address such as {EXAMPLE}"
    return None
