"""READY, NOT_READY or INCONCLUSIVE: e-processes that stay valid however often somebody looks.

`n` trials with `k` mismatches, one trial per session. An e-value of 1/alpha or more rejects its null
hypothesis at `alpha`, at any time (Ville's inequality): READY rejects "rate >= p0", NOT_READY "rate <= p0".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, inf, log, log1p

_POINTS = 20  # of the uniform half of READY's mixture, and of NOT_READY's
_READY_TOP = 0.9  # of p0: an alternative nearer to the limit costs more than it ever gains
_NOT_READY_FROM, _NOT_READY_TO = 1.25, 0.5
_HALVINGS = 48  # of an interval: to about 1e-14 of it
_ALMOST_ALL = 1.0 - 1e-9  # the largest limit that is tried: at 1 itself the logarithms end
_LEAST_MISMATCHES = 2  # one mismatch alone never says NOT_READY


def _log_sum(terms: list[float]) -> float:
    top = max(terms)
    return -inf if top == -inf else top + log(sum(exp(term - top) for term in terms))


def _log_ratio(q: float, p0: float, n: int, k: int) -> float:
    hits = 0.0 if k == 0 else (-inf if q == 0.0 else k * (log(q) - log(p0)))
    return hits + (n - k) * (log1p(-q) - log1p(-p0))


def log_e_ready(n: int, k: int, p0: float) -> float:
    """The logarithm of `e_ready`."""
    points = [_READY_TOP * p0 * step / _POINTS for step in range(1, _POINTS + 1)]
    spread = _log_sum([_log_ratio(q, p0, n, k) for q in points]) - log(_POINTS)
    return _log_sum([_log_ratio(0.0, p0, n, k), spread]) - log(2.0)


def e_ready(n: int, k: int, p0: float) -> float:
    """The e-value against "at least p0 of the answers differ" after `n` trials with `k` mismatches."""
    return _bounded_exp(log_e_ready(n, k, p0))


def log_e_not_ready(n: int, k: int, p0: float) -> float:
    """The logarithm of `e_not_ready`."""
    first = min(_NOT_READY_FROM * p0, (1.0 + p0) / 2.0)
    step = (max(_NOT_READY_TO, first) / first) ** (1.0 / (_POINTS - 1))
    points = [first * step**place for place in range(_POINTS)]
    return _log_sum([_log_ratio(q, p0, n, k) for q in points]) - log(_POINTS)


def e_not_ready(n: int, k: int, p0: float) -> float:
    """The e-value against "at most p0 of the answers differ" after `n` trials with `k` mismatches."""
    return _bounded_exp(log_e_not_ready(n, k, p0))


def _bounded_exp(value: float) -> float:
    return exp(min(value, 700.0))  # exp overflows from 709.8 on


def is_ready(n: int, k: int, p0: float, alpha: float = 0.05) -> bool:
    """Whether the trials alone say READY now."""
    return log_e_ready(n, k, p0) >= -log(alpha)


def is_not_ready(n: int, k: int, p0: float, alpha: float = 0.05) -> bool:
    """Whether the trials alone say NOT_READY now."""
    return k >= _LEAST_MISMATCHES and log_e_not_ready(n, k, p0) >= -log(alpha)


@lru_cache(maxsize=4096)
def trials_needed(k: int, p0: float, alpha: float = 0.05) -> int:
    """The least number of trials, all told, that is READY with `k` mismatches among them."""
    low, high = k, max(64, 2 * k)
    while not is_ready(high, k, p0, alpha):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_ready(middle, k, p0, alpha) else (middle, high)
    return high


def upper_bound(n: int, k: int, alpha: float = 0.05) -> float:
    """The least share of differing answers that the trials rule out: below it READY would be wrong to doubt.

    Time-uniform, since it is the limit for which READY holds just now; 1.0 where nothing is ruled out.
    """
    if n - k <= n * (1.0 - _ALMOST_ALL):
        return 1.0
    return _bisect(lambda p: is_ready(n, k, p, alpha), k / n, _ALMOST_ALL)


def lower_bound(n: int, k: int, alpha: float = 0.05) -> float:
    """The greatest share for which the trials say "more than that"; 0.0 where they say nothing."""
    if n == 0 or k == 0:
        return 0.0
    return _bisect(lambda p: log_e_not_ready(n, k, p) < -log(alpha), 0.0, k / n)


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where `holds` turns true between `low` and `high`; `high` where it never does."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if middle > 0.0 and holds(middle) else (middle, high)
    return high
