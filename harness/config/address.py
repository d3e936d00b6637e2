"""The address of a server: what is wrong with one, told without repeating what it may hold.

Invariant: an address that holds a credential is refused, and no message shows the credential.
"""

import re
from urllib.parse import parse_qsl, urlsplit

EXAMPLE = "http://127.0.0.1:8000/v1"
_SECRET_NAME = re.compile(r"key|token|secret|pass|pwd|auth|sig|cred|jwt|session", re.IGNORECASE)
_LONGEST_VALUE = 24
"""Characters from which a query's value may be a key, whatever its name."""


def address_mistake(url: str) -> str | None:
    """What is wrong with `engine.base_url`, in words that follow the key; None where nothing is."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:  # a bad port, bracket or host name
        return f"no valid address, expected one as {EXAMPLE}"
    if "@" in parts.netloc:
        return "holds a user name or password; name a variable in engine.api_key_env instead"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET_NAME.search(name) or len(value) >= _LONGEST_VALUE:
            return f"its query may hold a key ({name}=...); name a variable in engine.api_key_env instead"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return f"found {url[:200]!r}, expected an address as {EXAMPLE}"
    return None
