"""Continue an interrupted run or sweep, in the same folder and with the same config.

Every session continues from its last complete turn; finished sessions stay as they are. In a sweep, all unfinished
points are played, with the launcher of the sweep.

Settings that can't change the content of turns can be changed, in a sweep for all unfinished points. Any other change
is refused and shown:

  python -m harness resume outputs/latest concurrency=32 engine.request_timeout_s=120

docs/resume.md says what is kept after which failure.
"""

import argparse
from pathlib import Path

from harness.cli import startup

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="DIR", help="the folder of the run or sweep")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings to change")
    parser.add_argument("--retry-failed", action="store_true", help="also continue failed sessions")
    parser.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the run's models")


def main(args: argparse.Namespace) -> int:
    startup.announce("reading the run")
    from harness.cli.reporter import TerminalReporter
    from harness.sweeps.record import is_sweep

    if is_sweep(args.run_dir):
        from harness.sweeps.sweep import resume_sweep

        return resume_sweep(
            args.run_dir,
            TerminalReporter,
            retry_failed=args.retry_failed,
            overrides=args.overrides,
            trusted=args.trust_remote_code,
        )
    from harness.runs.single import resume

    outcome = resume(
        args.run_dir,
        TerminalReporter(),
        retry_failed=args.retry_failed,
        overrides=args.overrides,
        trusted=args.trust_remote_code,
    )
    return outcome.exit_code
