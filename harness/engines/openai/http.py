"""One aiohttp session to one server: bounded answers, proxies from the environment, no redirects.

Invariants:
- No body is read beyond its bound, compressed or not.
- No exception contains a header of the request, so none contains the key.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from harness.engines.openai.body import BodyTooLong, inflate
from harness.engines.openai.retry import TooLong, Transient
from harness.engines.openai.secrets import Scrubber
from harness.errors import EngineError, EngineUnavailable

CONNECT_S = 10.0
_UNREACHABLE = (aiohttp.ClientConnectorError, ConnectionRefusedError)
_BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError)


class Away(EngineError):
    """The server can't be reached, or says that it is not ready yet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Names are in lower case."""
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Client:
    """Sends requests to `base_url`; if it has a query, every request gets it."""

    def __init__(self, base_url: str, key: str, timeout_s: float, scrub: Scrubber) -> None:
        parts = urlsplit(base_url)
        self.base = parts._replace(query="", fragment="").geturl().rstrip("/")
        self._query = f"?{parts.query}" if parts.query else ""
        self._key = key
        self._timeout_s = timeout_s
        self._scrub = scrub
        self._proxy = _proxy(parts.scheme, parts.hostname or "")
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Open the session; needs a running event loop."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60), headers=headers, auto_decompress=False
        )

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self, method: str, path: str, data: bytes | None = None, *, most: int, timeout_s: float | None = None
    ) -> Reply:
        """The answer to one request. `path` begins with a slash.

        Raises `Away`, `Transient`, and `TooLong` for a body of more than `most` bytes.
        """
        if self._session is None:
            raise EngineUnavailable("the openai engine is not running")
        timeout_s = timeout_s or self._timeout_s
        try:
            async with self._session.request(
                method,
                f"{self._root(path)}{self._query}",
                data=data,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s)),
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, headers, await _bounded(response, headers, most))
        except BodyTooLong:
            raise TooLong(f"the server's answer has more than {most} bytes") from None
        except _UNREACHABLE as error:
            raise Away(f"can't connect to {self.base}: {self._scrub(str(error))}") from None
        except TimeoutError:
            raise Transient(f"no answer within {timeout_s:g} s") from None
        except _BROKEN as error:
            raise Transient(f"the connection broke: {self._scrub(type(error).__name__)}") from None

    def _root(self, path: str) -> str:
        """The full address of a path. `/tokenize` is beside `/v1`, not below it."""
        return (self.base.removesuffix("/v1") if path == "/tokenize" else self.base) + path


async def _bounded(response: aiohttp.ClientResponse, headers: Mapping[str, str], most: int) -> bytes:
    """The whole body, decompressed. Raises `BodyTooLong`, and ValueError if it can't be decompressed."""
    said = headers.get("content-length", "")
    if said.isdigit() and len(said) < 20 and int(said) > most:
        raise BodyTooLong
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > most:
            raise BodyTooLong
        chunks.append(chunk)
    body = b"".join(chunks)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    return body if encoding in ("", "identity") else inflate(body, encoding, most)


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host; None for this machine."""
    if host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    return getproxies().get(scheme)


def answer_bound(max_new_tokens: int) -> int:
    """A generous bound, in bytes, for an answer of `max_new_tokens` tokens with its token ids and reasoning."""
    return math.ceil(2**18 + 2**9 * max_new_tokens)
