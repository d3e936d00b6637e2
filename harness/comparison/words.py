"""Means, differences and findings as text for people."""

from collections.abc import Iterator
from math import floor, log10

from harness.comparison.bootstrap import FEWEST, Estimate
from harness.comparison.comparison import Comparison, Difference, Row, Unit, Verdict
from harness.metrics.registry import Metric


def mean_shown(metric: Metric, estimate: Estimate | None) -> str:
    """`63% [55, 71]`; without brackets if there is no interval, `–` if there is no mean."""
    if estimate is None:
        return "–"
    return _shown(metric, estimate, "%" if metric.share else "", "")


def difference_shown(metric: Metric, estimate: Estimate | None) -> str:
    """`+21 points [+15, +27]`; `–` if no pair has the metric."""
    if estimate is None:
        return "–"
    unit = " points" if metric.share else ""
    return _shown(metric, estimate, unit, "+")


def sentence(row: Row, difference: Difference, comparison: Comparison) -> str:
    """One sentence on a difference: its size and its interval, or why there is no conclusion."""
    metric, a, b = row.metric, difference.setting, comparison.baseline.name
    estimate = difference.estimate
    if estimate is None:
        return f"{metric.label}: no pair of sessions of {a} and {b} has this metric"
    pairs = pairs_shown(difference, comparison.unit)
    shown = difference_shown(metric, estimate)
    compared = f"{metric.label}: {shown} with {a} compared with {b}"
    match difference.verdict:
        case Verdict.DIFFERENT:
            by = f"{_by(metric, estimate)} with {a} than with {b}"
            return f"{metric.label}: {by}{_reach(metric, estimate)}, {pairs}"
        case Verdict.SAME:
            return f"{metric.label}: the same with {a} and {b} in every pair ({pairs})"
        case Verdict.UNCERTIFIED:
            return f"{compared}; not tested, because the judge is not certified for this item"
        case Verdict.TOO_FEW if estimate.n < FEWEST:
            return f"{compared}; too few for a test: {pairs}"
        case Verdict.TOO_FEW:
            return f"{compared}; too little variation between pairs for a test: {pairs}"
    without_0 = estimate.interval is not None and not estimate.interval[0] <= 0 <= estimate.interval[1]
    alone = (
        f"; significant on its own, but not after correction for {comparison.comparisons} comparisons"
        if without_0
        else ""
    )
    return f"{metric.label}: no significant difference between {a} and {b}: {shown}, {pairs}{alone}"


def findings(comparison: Comparison) -> Iterator[str]:
    """A line for each gate, a sentence for each significant difference, and one sentence for all others."""
    yield from (rate.words for rate in comparison.gates)
    others = total = 0
    for row in comparison.rows:
        for difference in row.differences:
            total += difference.verdict is not Verdict.UNCERTIFIED
            if difference.verdict is Verdict.DIFFERENT:
                yield sentence(row, difference, comparison)
            elif difference.verdict is not Verdict.UNCERTIFIED:
                others += 1
    if others == total:
        yield f"no significant difference ({total} comparison{'s' * (total != 1)})"
    elif others:
        yield f"no significant difference in the other {others} of {total} comparisons"


def pairs_shown(difference: Difference, unit: Unit) -> str:
    """`30 pairs`, or `120 pairs of 30 personas` if personas are the unit; `120 pairs of 30 sessions` for branches."""
    pairs = f"{difference.pairs} pair{'s' * (difference.pairs != 1)}"
    if unit is Unit.SESSION or difference.estimate is None:
        return pairs
    return f"{pairs} of {difference.estimate.n} {'personas' if unit is Unit.PERSONA else 'sessions'}"


def _by(metric: Metric, estimate: Estimate) -> str:
    """`21 points higher`."""
    digits = _digits(metric, estimate)
    unit = " points" if metric.share else metric.unit
    direction = "higher" if estimate.mean > 0 else "lower"
    return f"{_number(abs(estimate.mean) * _scale(metric), digits)}{unit} {direction}"


def _reach(metric: Metric, estimate: Estimate) -> str:
    """The interval of the amount, without signs."""
    if estimate.interval is None:
        return ", in every pair"
    digits = _digits(metric, estimate)
    low, high = sorted(abs(end) * _scale(metric) for end in estimate.interval)
    return f" [{_number(low, digits)}, {_number(high, digits)}]"


def _shown(metric: Metric, estimate: Estimate, unit: str, sign: str) -> str:
    digits, scale = _digits(metric, estimate), _scale(metric)
    text = f"{_number(estimate.mean * scale, digits, sign)}{unit}"
    if estimate.interval is None:
        return text
    return f"{text} [{', '.join(_number(end * scale, digits, sign) for end in estimate.interval)}]"


def _scale(metric: Metric) -> float:
    return 100.0 if metric.share else 1.0


def _digits(metric: Metric, estimate: Estimate) -> int:
    """Decimals to show, 0 to 4. The width of the interval gets one or two significant figures. If the interval excludes
    0, the end near 0 must not round to 0. Without an interval, the mean gets three figures.
    """
    size = abs(estimate.mean) / 100
    if estimate.interval is not None:
        low, high = estimate.interval
        size = (high - low) / 6
        if low > 0 or high < 0:
            size = min(size, 1.5 * min(abs(low), abs(high)))
    size *= _scale(metric)
    return min(4, max(0, -floor(log10(size)))) if size > 0 else 0


def _number(value: float, digits: int, sign: str = "") -> str:
    text = f"{value:{sign},.{digits}f}"
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text
