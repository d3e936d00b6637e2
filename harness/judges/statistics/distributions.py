"""Tails of the beta, Student t and normal distributions, without scipy (which is no dependency).

The regularized incomplete beta function follows the continued fraction of Lentz, as in *Numerical Recipes*, 3rd ed.,
section 6.4; it agrees with scipy to 1e-12 (tests).
"""

from math import exp, lgamma, log, log1p

_STEPS = 10_000
_SMALL = 1e-300
_PRECISION = 1e-16


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(X <= x) of a beta distribution."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _SMALL else _SMALL)
    value = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            d = 1 / (d if abs(d) > _SMALL else _SMALL)
            c = 1 + term / c
            c = c if abs(c) > _SMALL else _SMALL
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with P(X <= x) = p, by bisection to the last bit."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle


def t_cdf(t: float, freedom: float) -> float:
    """P(T <= t) of Student's t distribution."""
    tail = beta_cdf(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
    return tail if t < 0 else 1 - tail
