"""When things happen within a day: counts and seconds, for people, offices and machines.

Everything is in seconds since midnight UTC. A value may lie beyond the day's end, when work that
began in the evening runs on.
"""

from __future__ import annotations

import math
from bisect import bisect
from itertools import accumulate
from random import Random

DAY_SECONDS = 86_400
# Relative activity by local hour. Evening people, office people.
HOME_HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 8, 8, 9, 8, 8, 8, 9, 10, 12, 14, 15, 14, 10, 5)
OFFICE_HOURS = (0, 0, 0, 0, 0, 0, 1, 4, 10, 14, 14, 12, 8, 12, 14, 13, 11, 7, 3, 2, 1, 1, 1, 0)
HOME_STEPS = tuple(accumulate(HOME_HOURS))
OFFICE_STEPS = tuple(accumulate(OFFICE_HOURS))
LARGE_MEAN = 30.0
SATURDAY = 5


def count(rng: Random, mean: float) -> int:
    """Return a Poisson count (normal approximation above a mean of 30)."""
    if mean <= 0:
        return 0
    if mean > LARGE_MEAN:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, drawn = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        drawn += 1
    return drawn


def waking(rng: Random, how_many: int, offset_hours: int) -> list[float]:
    """Return sorted seconds that follow a person's day at the given offset from UTC."""
    return _by_hours(rng, how_many, offset_hours, HOME_STEPS)


def office(rng: Random, how_many: int, offset_hours: int) -> list[float]:
    """Return sorted seconds within office hours at the given offset from UTC."""
    return _by_hours(rng, how_many, offset_hours, OFFICE_STEPS)


def all_day(rng: Random, how_many: int) -> list[float]:
    """Return sorted seconds spread over the whole day."""
    return sorted(rng.random() * DAY_SECONDS for _ in range(how_many))


def batch(rng: Random, how_many: int, start: float, gap_seconds: float) -> list[float]:
    """Return seconds of a run that starts at `start`, with gaps around `gap_seconds`."""
    now, moments = start, []
    for _ in range(how_many):
        moments.append(now)
        now += gap_seconds * (0.3 + rng.expovariate(1.4))
    return moments


def weekday_factor(weekday: int, weekend_share: float) -> float:
    """Return 1 on working days and `weekend_share` at the weekend (Monday is 0)."""
    return weekend_share if weekday >= SATURDAY else 1.0


def _by_hours(rng: Random, how_many: int, offset_hours: int, steps: tuple[int, ...]) -> list[float]:
    total = steps[-1]
    return sorted(
        ((bisect(steps, rng.random() * total) - offset_hours) % 24 + rng.random()) * 3600
        for _ in range(how_many)
    )
