"""Go on with an interrupted run or sweep, in the same folder and under the same config.

Every session goes on from its last whole turn; finished ones are left as they are. Of a sweep, what is left of every
point is played, with the launcher that the sweep was started with.

Settings that can't change what is said may be given anew, of a sweep for all points that are left; any other change is
refused and shown:

  python -m harness resume outputs/latest concurrency=32 engine.request_timeout_s=120

docs/resume.md says what survives what.
"""

import argparse
from pathlib import Path

from harness.cli import startup

INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="DIR", help="the folder of the run or sweep")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings to change")
    parser.add_argument("--retry-failed", action="store_true", help="play the failed sessions on, too")
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
