"""What one batch for a whole sweep saves: the same sweep, played in three ways on the real vLLM engine.

    python scripts/bench/sweep.py [--model FOLDER] [--points 8] [--sessions 8] [--json PATH] [KEY=VALUE ...]

- fused: the default launcher; the engine is loaded once and all points are one batch.
- one load: what Hydra's basic launcher would do if it kept the engine: point after point in one process.
- fresh: a new process for every point, which loads the engine again.

Times are wall times of the whole process, set-up and reports included. Every way plays the same sessions under the same
settings; KEY=VALUE adds settings or overrides them. The first and the last way are the commands that a user types.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KV_CACHE_GIB = "2"
"""For vLLM's CPU build, unless the environment sets it: enough for all sessions at once."""
THERAPISTS = ["act", "cbt", "dbt", "mi", "person_centred", "sfbt", "bare", "poor"]
PERSONAS = [
    "skeptical-bullied-overwhelmed",
    "archivist-not-waking",
    "baker-gone-quiet",
    "bookkeeper-of-what-ifs",
    "bus-driver-panic",
    "court-sent-chef",
    "cyclist-after-the-lorry",
    "dairy-farmer-temper",
]
WAYS = ["fused", "one load", "fresh"]
LIMITS = {"one load": 0.7, "fresh": 0.4}
"""Upper bounds on the time of fused, as a share of the other way's."""


def settings(options: argparse.Namespace) -> list[str]:
    """The settings that all points share."""
    model = [f"model.path={options.model}"] if options.model else []
    return [
        *model,
        "engine=vllm",
        f"engine.max_model_len={options.max_model_len}",
        f"personas=[{','.join(PERSONAS[: options.sessions])}]",
        f"concurrency={options.points * options.sessions}",
        f"max_exchanges={options.exchanges}",
        f"patient.max_new_tokens={options.max_new_tokens}",
        f"therapist.max_new_tokens={options.max_new_tokens}",
        "guard=off",  # every way asks for every turn once
        "model.sampling.temperature=0",  # the preset's sampling misses the bounds on a CPU: docs/performance.md
        "model.sampling.top_p=1.0",
        "model.sampling.repetition_penalty=1.0",
        *options.settings,
    ]


def points(options: argparse.Namespace) -> list[str]:
    """The setting that the points differ in."""
    return [f"therapist={name}" for name in THERAPISTS[: options.points]]


def harness(*words: str) -> None:
    """Run the harness as a user does, quietly unless it fails."""
    quietly("-m", "harness", *words)


def quietly(*words: str) -> None:
    """Run Python, and show its output only if it fails."""
    environment = {"VLLM_CPU_KVCACHE_SPACE": KV_CACHE_GIB, **os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def fused(options: argparse.Namespace, folder: Path) -> None:
    """One sweep with the default launcher."""
    names = ",".join(THERAPISTS[: options.points])
    harness("run", "-m", *settings(options), f"therapist={names}", f"run.dir={folder}")


def fresh(options: argparse.Namespace, folder: Path) -> None:
    """A process for each point."""
    for point in points(options):
        harness("run", *settings(options), point, f"run.dir='{folder / point}'")


def one_load(options: argparse.Namespace, folder: Path) -> None:
    """Point after point in one process of its own, on one engine."""
    quietly(__file__, "--play-one-after-another", str(folder), *sys.argv[1:])


def play_one_after_another(options: argparse.Namespace, folder: Path) -> None:
    """Play the batch of a fused sweep, but start each point only after the one before it has ended."""
    from harness.cli.reporter import TerminalReporter
    from harness.config.compose import load
    from harness.errors import HarnessError
    from harness.runs.batch import Batch, Outcome
    from harness.runs.prepare import CheckedRun, prepare
    from harness.runs.resources import SharedResources

    class OneAfterAnother(Batch):
        async def _next(self) -> CheckedRun | None:
            while self._open:  # noqa: ASYNC110 -- nothing in the product needs an event for this
                await asyncio.sleep(0.01)
            return await super()._next()

    class Quiet:
        def opened(self, run: CheckedRun, path: Path) -> None:
            """Nothing to tell."""

        def playing(self, run: CheckedRun, path: Path) -> None:
            """Nothing to tell."""

        def abandoned(self) -> None:
            """Nothing to tell."""

        def ended(self, run: CheckedRun, end: Outcome | HarnessError) -> bool:
            if isinstance(end, HarnessError):
                raise end
            return True

    resources = SharedResources()
    runs = [
        prepare(load([*settings(options), point, f"run.dir='{folder / point}'"]), resources)
        for point in points(options)
    ]
    batch = OneAfterAnother(runs, TerminalReporter(), Quiet(), folder / "logs")
    asyncio.run(batch.play())
    batch.close(None)


def completion_tokens(folder: Path) -> tuple[int, int]:
    """Finished sessions and generated tokens of all runs below a folder."""
    totals = [json.loads(path.read_text())["totals"] for path in folder.glob("*/run.json")]
    return sum(t["finished"] for t in totals), sum(t["completion_tokens"] for t in totals)


def measure(options: argparse.Namespace, work: Path) -> dict[str, dict[str, float]]:
    """Seconds, sessions and tokens of each way."""
    figures: dict[str, dict[str, float]] = {}
    ways = {"fused": fused, "one load": one_load, "fresh": fresh}
    for name in options.ways:
        folder = work / name.replace(" ", "-")
        began = time.perf_counter()
        ways[name](options, folder)
        seconds = time.perf_counter() - began
        sessions, tokens = completion_tokens(folder)
        if sessions != options.points * options.sessions:
            sys.exit(f"{name}: {sessions} sessions finished, expected {options.points * options.sessions}")
        figures[name] = {"seconds": seconds, "sessions": sessions, "completion_tokens": tokens}
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
    return figures


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as a table of text."""
    took = figures["fused"]["seconds"]
    lines = [f"{'way':<10} {'seconds':>9} {'tokens':>9} {'tokens/s':>9} {'fused takes':>12} {'at most':>8}"]
    for name, found in figures.items():
        limit, share = (f"{LIMITS[name]:.2f}", f"{took / found['seconds']:.2f}") if name in LIMITS else ("", "")
        rate = found["completion_tokens"] / found["seconds"]
        lines.append(
            f"{name:<10} {found['seconds']:>9.1f} {found['completion_tokens']:>9.0f} {rate:>9.0f} {share:>12} {limit:>8}"
        )
    return "\n".join(lines)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="further settings of all points")
    parser.add_argument("--model", help="a model folder (default: the small model)")
    parser.add_argument("--points", type=int, default=8, choices=range(2, 9), help="therapist prompts, at most 8")
    parser.add_argument("--sessions", type=int, default=8, choices=range(1, 9), help="personas per point, at most 8")
    parser.add_argument("--exchanges", type=int, default=2)
    parser.add_argument("--max-new-tokens", type=int, default=112)
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, metavar="WAY", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--play-one-after-another", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    return parser.parse_intermixed_args(arguments)


def main() -> None:
    options = parsed()
    if "fused" not in options.ways:
        sys.exit("--ways: must include fused; the others are compared with it")
    if options.play_one_after_another:
        play_one_after_another(options, options.play_one_after_another)
        return
    with tempfile.TemporaryDirectory() as work:
        figures = measure(options, Path(work))
    print(table(figures))
    ratios = {name: figures["fused"]["seconds"] / figures[name]["seconds"] for name in LIMITS if name in figures}
    if options.json:
        content = {"ways": figures, "ratios": ratios, "limits": LIMITS}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if any(ratio > LIMITS[name] for name, ratio in ratios.items()):
        sys.exit("a limit is exceeded")


if __name__ == "__main__":
    main()
