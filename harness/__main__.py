# PYTHON_ARGCOMPLETE_OK
"""`python -m harness COMMAND`: finds the command's module and imports nothing else, so that help is instant."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword

from harness.errors import HarnessError, did_you_mean
from harness.paths import __version__
from harness.visible import one_line

COMMANDS = {
    "run": "play sessions: personas x seeds, with any setting as KEY=VALUE; -m for a sweep",
    "resume": "go on with an interrupted run from the last whole turn of every session",
    "repair": "take damaged lines out of a run's journal, and say what is lost",
    "show": "print the exact prompt that a turn was made with",
    "replay-check": "repeat a sample of a run's turns and say how many come out the same",
    "report": "write report.html of a run again",
    "compare": "compare the settings of a sweep, or of several runs, by paired differences",
    "agree": "say how far the measures agree with people who coded the same turns",
    "import": "make a run folder out of transcripts of other origin",
    "branch": "go on from turns of a run's sessions under the same or other settings",
    "export": "write training data and tables: sft, dpo, kto, messages, sharegpt, parquet, inspect",
    "sql": "ask runs questions in SQL",
    "judge": "let a judge answer the questions of rubrics about the sessions of a run or a sweep",
    "judge-reliability": "say how far repeats, orders and judges agree",
    "judge-calibrate": "compare judges with people who rated the same sessions",
    "rubrics": "list, show, validate or make rubrics",
    "list": "say what there is: personas, therapists, models, rubrics, engines, metrics, ...",
    "fidelity": "say how like people a run's patients are, and whether they part good from poor",
    "audit": "try to talk patients round without listening, and say what it earns",
    "personas": "list, show, validate, make or sample personas",
    "fetch": "get the small model that runs on any CPU",
    "doctor": "say what this machine has, what is missing, and how to mend it",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        from harness.cli.completion import complete

        complete()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"harness {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        return _error(f"no command {name!r}{did_you_mean(name, COMMANDS)}; there are {', '.join(COMMANDS)}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that isn't UTF-8 still gets every line
    try:
        return _run(name, words[1:])
    except HarnessError as error:
        for line in error.lines:
            _error(line)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away, as `head` does; nobody is left to tell
        return 141
    except OSError as error:  # a full disk, a folder without permission, a name that is too long
        return _error(f"{error.filename or name}: {error.strerror or error}")


def _error(line: str) -> int:
    print(f"error: {one_line(line)}", file=sys.stderr)
    return 2


def module_of(name: str) -> str:
    """The module of a command; a name that means something in Python itself gets an underscore."""
    file = name.replace("-", "_")
    return f"harness.cli.{file}_" if iskeyword(file) else f"harness.cli.{file}"


def _run(name: str, words: list[str]) -> int:
    args = parsed(name, words)
    code: int = import_module(module_of(name)).main(args)
    return code


def parsed(name: str, words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command. Ends the process where they are asked for, or are none."""
    module = import_module(module_of(name))
    description = getattr(module, "description", None)
    parser = argparse.ArgumentParser(
        prog=f"python -m harness {name}",
        description=description() if description and not {"-h", "--help"}.isdisjoint(words) else module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return parser.parse_intermixed_args(words) if getattr(module, "INTERMIXED", False) else parser.parse_args(words)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m harness COMMAND [...]",
            "",
            "Therapist models and simulated patients talk through whole sessions; no prompt ever overflows.",
            "",
            *lines,
            "",
            "`python -m harness COMMAND --help` says more. These are simulations for engineering and research:",
            "no medical device, and scores are not clinical evidence.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
