"""Numbers and differences as people read them."""

from collections.abc import Iterator
from math import floor, log10

from harness.comparison.bootstrap import FEWEST, Estimate
from harness.comparison.comparison import Comparison, Difference, Row, Unit, Verdict
from harness.metrics.registry import Metric


def mean_shown(metric: Metric, estimate: Estimate | None) -> str:
    """`63% [55, 71]`; without the brackets where there is no interval."""
    if estimate is None:
        return "–"
    return _shown(metric, estimate, "%" if metric.share else "", "")


def difference_shown(metric: Metric, estimate: Estimate | None) -> str:
    """`+21 points [+15, +27]`."""
    if estimate is None:
        return "–"
    unit = " points" if metric.share else ""
    return _shown(metric, estimate, unit, "+")


def sentence(row: Row, difference: Difference, comparison: Comparison) -> str:
    """What a difference means, or that it means nothing."""
    metric, a, b = row.metric, difference.setting, comparison.baseline.name
    estimate = difference.estimate
    if estimate is None:
        return f"{metric.label}: {a} and {b} have no pair of sessions with it"
    pairs = pairs_shown(difference, comparison.unit)
    shown = difference_shown(metric, estimate)
    match difference.verdict:
        case Verdict.DIFFERENT:
            return f"{metric.says.format(a=a, by=_by(metric, estimate), b=b)}{_reach(metric, estimate)}, {pairs}"
        case Verdict.SAME:
            return f"{metric.label}: the same with {a} and {b} in all of {pairs}"
        case Verdict.UNCERTIFIED:
            return f"{metric.label}: {shown} with {a}, but the judge is not certified for it: nothing is concluded"
        case Verdict.TOO_FEW if estimate.n < FEWEST:
            return f"{metric.label}: {shown} with {a}, but {pairs} are too few to tell it from noise"
        case Verdict.TOO_FEW:
            return f"{metric.label}: {shown} with {a}, but too few of {pairs} differ to tell it from noise"
    alone = estimate.interval is not None and not estimate.interval[0] <= 0 <= estimate.interval[1]
    counted = f"; significant alone, not after correcting for {comparison.comparisons} comparisons" if alone else ""
    return f"{metric.label}: no difference between {a} and {b} can be told from noise: {shown}, {pairs}{counted}"


def findings(comparison: Comparison) -> Iterator[str]:
    """The differences that can be told from noise, one sentence each, and one on all others."""
    yield from (rate.words for rate in comparison.gates)
    others = concluded = 0
    for row in comparison.rows:
        for difference in row.differences:
            concluded += difference.verdict is not Verdict.UNCERTIFIED
            if difference.verdict is Verdict.DIFFERENT:
                yield sentence(row, difference, comparison)
            elif difference.verdict is not Verdict.UNCERTIFIED:
                others += 1
    if others == concluded:
        yield f"no difference can be told from noise ({others} compared)"
    elif others:
        yield f"in the other {others} of {others + _told(comparison)} comparisons no difference can be told from noise"


def pairs_shown(difference: Difference, unit: Unit) -> str:
    """`30 pairs`, or `120 pairs of 30 personas` where personas are the unit, `of 30 sessions` for their branches."""
    pairs = f"{difference.pairs} pair{'s' * (difference.pairs != 1)}"
    if unit is Unit.SESSION or difference.estimate is None:
        return pairs
    return f"{pairs} of {difference.estimate.n} {'personas' if unit is Unit.PERSONA else 'sessions'}"


def _told(comparison: Comparison) -> int:
    return sum(d.verdict is Verdict.DIFFERENT for row in comparison.rows for d in row.differences)


def _by(metric: Metric, estimate: Estimate) -> str:
    """`21 points more`."""
    digits = _digits(metric, estimate)
    unit = " points" if metric.share else metric.unit
    direction = metric.more if estimate.mean > 0 else metric.less
    return f"{_number(abs(estimate.mean) * _scale(metric), digits)}{unit} {direction}"


def _reach(metric: Metric, estimate: Estimate) -> str:
    """The interval of the amount, whichever way it goes."""
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
    """So many decimals that the width of the interval has one or two figures, and that an end that is not 0 isn't shown
    as 0 where the sign matters; without an interval, three figures in all.
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
