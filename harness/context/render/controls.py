"""Control strings: text with a special meaning to a tokenizer or a template, and how it is kept out of content.

Invariants:
- `neutralize` leaves text without control strings as it is, and is idempotent.
- Its result contains no control string, either before or after the tokenizer's normalization.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

SHAPE = re.compile(r"<{1,2}[^\s<>]{1,64}>{1,2}|\[/?[A-Z][A-Z_]*\]")
"""What looks like a control string: `<|im_start|>`, `<start_of_turn>`, `</s>`, `<<SYS>>`, `[INST]`."""
LABEL = re.compile(r"(?:#+ )?\w[\w-]*:(?=\s*$)")
"""`USER:` or `### Response:` at the end of a piece of template text, just before a message."""


def control_tokens(added: Iterable[tuple[str, bool]]) -> set[str]:
    """The tokens among a tokenizer's `added` tokens (text, special) that content must not contain.

    An added token that is neither special nor shaped like one is a word or a run of whitespace that the tokenizer
    keeps whole; content may use it.
    """
    return {text for text, special in added if text.strip() and (special or SHAPE.fullmatch(text))}


def template_controls(source: str, rendered: Sequence[str]) -> set[str]:
    """Control strings of a template, whether or not they are tokens: in its source, and in the text around messages."""
    found = set(SHAPE.findall(source))
    for glue in rendered:
        found.update(SHAPE.findall(glue))
        found.update(match.group() for match in LABEL.finditer(glue))
    return found


class Controls:
    """The control strings of one tokenizer and template."""

    def __init__(self, strings: Iterable[str], normalize: Callable[[str], str] | None = None) -> None:
        self.strings = frozenset(text.strip() for text in strings if text.strip())
        self._normalize = normalize
        longest_first = sorted(self.strings, key=lambda text: (-len(text), text))
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def neutralize(self, text: str) -> str:
        """Break every control string by a space after its first character: `<|im_start|>` becomes `< |im_start|>`.

        A space shows, costs at most one token, and survives trimming and Unicode normalization. Text that only
        becomes a control string by normalization (full-width letters, say) is normalized first.
        """
        broken = self._break(text)
        if self._normalize is not None and self._pattern.search(self._normalize(broken)):
            broken = self._break(unicodedata.normalize("NFKC", broken))
        return broken

    def _break(self, text: str) -> str:
        while self._pattern.search(text):
            text = self._pattern.sub(lambda match: match[0][0] + " " + match[0][1:] if len(match[0]) > 1 else "?", text)
        return text
