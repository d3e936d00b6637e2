"""The gaming audit: the trust and layers that fixed policies get from patients, compared with good scripts.

Invariants:
- No model takes part: patients speak by rules (`RuleVoice`) or with the lines of a script; appraisal and inner state
  are those of a run with `patient.state=rules`.
- The same personas, policies and length give the same numbers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.agents.appraisal import Listener
from harness.agents.directions import confirmed, direction
from harness.agents.inner_state import InnerState, initial, step
from harness.audit.policies import Policy
from harness.audit.voice import RuleVoice, first_person
from harness.audit.written import WrittenSession
from harness.personas.schema import Persona

Say = Callable[[int, str], str]
"""The therapist: its turn from the 0-based exchange and the patient's turn."""


@dataclass(frozen=True, slots=True)
class Earned:
    """What a therapist got from one or more patients."""

    trust_change: float
    """Mean change of trust over the patients, from -1 to 1."""
    layers_told: float
    """Mean share of the disclosure layers that were told."""
    sessions: int

    def to_dict(self) -> dict[str, float | int]:
        return {
            "trust_change": round(self.trust_change, 4),
            "layers_told": round(self.layers_told, 4),
            "sessions": self.sessions,
        }


def mean(earned: Iterable[Earned]) -> Earned:
    """The mean over patients. Raises `StatisticsError` if there are none."""
    every = list(earned)
    return Earned(
        fmean(one.trust_change for one in every),
        fmean(one.layers_told for one in every),
        sum(e.sessions for e in every),
    )


def play(persona: Persona, say: Say, exchanges: int) -> Earned:
    """One session of a rule-based patient with the therapist `say`."""
    voice = RuleVoice(persona)
    return _played(persona, lambda _, state: voice.say(state), say, exchanges)


def play_script(persona: Persona, script: WrittenSession) -> Earned:
    """A written session, with the patient's lines as written; layers that the state unlocks are added to them."""
    therapist = script.therapist

    def speaks(exchange: int, state: InnerState) -> str:
        told = state.last_shown("tell") == state.turn - 1
        also = f" {first_person(persona.disclosure[state.told - 1].content)}" if told else ""
        return script.patient[exchange] + also

    return _played(persona, speaks, lambda exchange, _: therapist[exchange], min(len(therapist), len(script.patient)))


def _played(persona: Persona, speaks: Callable[[int, InnerState], str], say: Say, exchanges: int) -> Earned:
    listener = Listener(persona.language, persona.conceptualization.core_beliefs)
    state = initial(persona)
    before = state.trust
    for exchange in range(exchanges):
        left = exchanges - 1 - exchange
        _, state = direction(state, persona, left)
        heard = speaks(exchange, state)
        state = confirmed(state, persona, heard)
        if state.last_shown("walk_out") == state.turn - 1:
            break
        state = step(state, listener.hear(heard, say(exchange, heard)), persona, left)
    return Earned(state.trust - before, state.told / len(persona.disclosure), 1)


def reference(personas: Mapping[str, Persona], scripts: Sequence[WrittenSession]) -> Earned:
    """The result of the good scripts with the personas for which they were written."""
    return mean(play_script(personas[script.persona], script) for script in scripts if script.persona in personas)


def audit(personas: Sequence[Persona], policies: Sequence[Policy], exchanges: int) -> dict[str, Earned]:
    """The result of each policy with these personas, by name."""
    return {policy.name: mean(play(persona, policy.say, exchanges) for persona in personas) for policy in policies}
