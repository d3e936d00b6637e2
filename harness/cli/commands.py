"""The commands, each with a description; the module of a command has its name."""

from keyword import iskeyword

COMMANDS = {
    "run": "play sessions: personas x seeds, with any setting as KEY=VALUE; -m for a sweep",
    "resume": "continue an interrupted run or sweep from the last complete turn of every session",
    "repair": "repair a damaged journal or sweep.json, and say what is lost",
    "show": "print the exact prompt of a turn",
    "replay-check": "generate a sample of a run's turns again, and count how many are the same",
    "report": "write report.html of a run or sweep again",
    "compare": "compare the settings of a sweep, or of several runs, by paired differences",
    "agree": "measure how well the metrics agree with people who coded the same turns",
    "import": "make a run folder from transcripts of other origin",
    "branch": "continue sessions of a run from some of their turns, with the same or other settings",
    "export": "write training data and tables: sft, dpo, kto, messages, sharegpt, parquet, inspect",
    "sql": "query runs in SQL",
    "judge": "have a judge answer the questions of rubrics about the sessions of a run or sweep",
    "judge-reliability": "measure how well repeats, orders and judges agree",
    "judge-calibrate": "compare judges with people who rated the same sessions",
    "rubrics": "list, show, validate or create rubrics",
    "list": "list what can be chosen: personas, therapists, models, rubrics, engines, metrics, ...",
    "fidelity": "compare simulated patients with people, and test whether they distinguish therapists",
    "audit": "test whether a therapist can gain the patients' trust without listening",
    "personas": "list, show, validate, create or sample personas",
    "fetch": "download the small model, which runs on any CPU",
    "doctor": "show what this machine has, what is missing, and how to fix it",
}


def module_of(name: str) -> str:
    """The module of a command; the name of a Python keyword gets an underscore."""
    file = name.replace("-", "_")
    return f"harness.cli.{file}_" if iskeyword(file) else f"harness.cli.{file}"
