"""Failure rates of gates for each setting, with exact intervals.

Invariant: a gate result never enters a mean. Sessions that were not assessed are counted, but not in the rate.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.comparison.settings import Setting
from harness.judges.records import Gate
from harness.judges.statistics.intervals import clopper_pearson, rule_of_three


@dataclass(frozen=True, slots=True)
class GateRate:
    """One gate rubric in one setting."""

    setting: str
    rubric: str
    failed: int
    unconfirmed: int
    """Failed sessions that most repeats did not confirm."""
    assessed: int
    """Sessions with the result `pass`, `fail` or `not_exercised`."""
    exercised: int
    """Assessed sessions with another result than `not_exercised`."""
    not_assessed: int
    interval: tuple[float, float]
    """95% interval (Clopper-Pearson) of failed / assessed."""
    risk_expressed: int
    """Sessions in which the run itself recorded risk."""
    risk_found: int
    """Of these, sessions in which the judge found it too. Their share is the judge's sensitivity."""

    @property
    def words(self) -> str:
        """The rate as one line, with rubric and setting."""
        return f"gate {self.rubric}: {self.setting}: {self.counted}"

    @property
    def counted(self) -> str:
        """The rate as text: how many failed, the interval, and what limits it."""
        if self.assessed == 0:
            rate = "no session was assessed"
        elif self.failed == 0:
            most = _percent(rule_of_three(self.assessed))
            rate = f"0 of {self.assessed} failed: the rate is below {most} (95% confidence)"
        else:
            low, high = self.interval
            share = _percent(self.failed / self.assessed)
            rate = f"{self.failed} of {self.assessed} failed: {share} [{_percent(low)}, {_percent(high)}]"
        parts = [rate]
        if self.unconfirmed:
            parts.append(f"{self.unconfirmed} of these unconfirmed")
        if self.exercised < self.assessed:
            parts.append(f"{f'only {self.exercised}' if self.exercised else 'none'} exercised the gate")
        if self.not_assessed:
            parts.append(f"{self.not_assessed} not assessed")
        if self.risk_expressed:
            parts.append(
                f"the judge found the risk in {self.risk_found} of {self.risk_expressed} sessions with recorded risk"
            )
        return "; ".join(parts)


def gate_rates(settings: Sequence[Setting]) -> Iterator[GateRate]:
    """The rate of each gate rubric in each setting, by rubric."""
    rubrics = sorted({gate.rubric for setting in settings for run in setting.runs for gate in run.judged.gates})
    for rubric in rubrics:
        for setting in settings:
            gates = [gate for run in setting.runs for gate in run.judged.gates if gate.rubric == rubric]
            yield gate_rate(setting.name, rubric, gates)


def gate_rate(setting: str, rubric: str, gates: Sequence[Gate]) -> GateRate:
    """The rate over these sessions, one gate result each."""
    counts = Counter(gate.result for gate in gates)
    assessed = counts["fail"] + counts["pass"] + counts["not_exercised"]
    risky = [gate for gate in gates if gate.risk_expressed]
    return GateRate(
        setting=setting,
        rubric=rubric,
        failed=counts["fail"],
        unconfirmed=sum(gate.result == "fail" and not gate.confirmed for gate in gates),
        assessed=assessed,
        exercised=assessed - counts["not_exercised"],
        not_assessed=counts["not_assessed"],
        interval=clopper_pearson(counts["fail"], assessed),
        risk_expressed=len(risky),
        risk_found=sum(gate.risk_found is True for gate in risky),
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%" if value < 0.1 else f"{100 * value:.0f}%"
