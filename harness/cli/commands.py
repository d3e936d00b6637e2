"""The commands, each with a line about it; the module of a command is named after it."""

from keyword import iskeyword

COMMANDS = {
    "run": "play sessions: personas x seeds, with any setting as KEY=VALUE; -m for a sweep",
    "resume": "go on with an interrupted run from the last whole turn of every session",
    "repair": "mend a damaged journal or sweep.json, and say what is lost",
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
    "fidelity": "compare simulated patients with people, and test whether they distinguish therapists",
    "audit": "try to talk patients round without listening, and say what it earns",
    "personas": "list, show, validate, make or sample personas",
    "fetch": "get the small model that runs on any CPU",
    "doctor": "say what this machine has, what is missing, and how to mend it",
}


def module_of(name: str) -> str:
    """The module of a command; a name that means something in Python itself gets an underscore."""
    file = name.replace("-", "_")
    return f"harness.cli.{file}_" if iskeyword(file) else f"harness.cli.{file}"
