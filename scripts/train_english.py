"""Writes harness/agents/english.json: how common words are, and which classes of words follow one another.

    python scripts/train_english.py

It counts only this library's own texts: personas, written sessions and, for the order of words, the lines that the hearing
is trained on. Counts are exact and need no seed; the file changes only with the texts.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from harness.agents.cues import read
from harness.agents.english import FILE, word_class
from harness.agents.transcript import read_transcript
from harness.paths import persona_dir, written_dir
from harness.personas.library import load
from harness.text.words import content_stems, words

LINES = Path(__file__).parent / "train" / "hearing_lines.txt"
_CODES = re.compile(r"^(?:P:|[rcapifvdxstuo]+) ")


def lines() -> Iterator[str]:
    """The sentences of hearing_lines.txt, without their codes."""
    for line in LINES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield from (_CODES.sub("", piece.strip()) for piece in line.split("|"))


def main() -> None:
    """Count and write."""
    documents = [
        persona.prompt_text() + ". " + ". ".join(layer.content for layer in persona.disclosure)
        for persona in load("all", [persona_dir()])
        if persona.language == "en"
    ]
    for path in sorted((written_dir()).glob("*.txt")):
        session = read_transcript(path)
        documents.append("\n".join([*session.patient, *session.therapist]))
    common = Counter(stem for text in documents for stem in content_stems(words(text)))
    pairs: Counter[str] = Counter()
    for text in [*documents, *lines()]:
        cut = read(text)
        for start, end, _ in cut.sentences:
            classes = ["^", *map(word_class, cut.words[start:end]), "$"]
            pairs.update(f"{one} {other}" for one, other in pairwise(classes))
    kept = {
        "documents": {stem: n for stem, n in sorted(common.items()) if n >= 2},
        "pairs": dict(sorted(pairs.items())),
    }
    FILE.write_text(json.dumps(kept, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{FILE}: {len(documents)} documents, {len(kept['documents'])} stems, {len(pairs)} pairs")


if __name__ == "__main__":
    main()
