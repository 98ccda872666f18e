"""Results of replays as values, for tests of words and pages."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.jobs.replays import (
    AnsweredBy,
    CallLatency,
    ChangedWay,
    FigurePair,
    MetInput,
    OutcomeFigures,
    RecordedTraffic,
    ReplayExample,
    ReplayFindings,
    ReplaySlice,
    ScoreCounts,
    ScoreDrift,
    SelfCheck,
    TrafficReplay,
)

FIRST, LAST = (to_us(datetime(2026, 11, day, 12, tzinfo=UTC)) for day in (1, 28))

TRAFFIC = RecordedTraffic(
    since_us=to_us(datetime(2026, 10, 29, tzinfo=UTC)),
    until_us=to_us(datetime(2026, 11, 29, tzinfo=UTC)),
    targets=("ewr", "jfk"),
    days=31,
    days_served=31,
    days_stored=24,
    rows_served=52_300,
    rows_stored=41_212,
    kept_s=24 * 86_400,
    private=("passenger",),
)

FOUND = ReplayFindings(
    task="binary",
    rows=41_212,
    first_us=FIRST,
    last_us=LAST,
    left_out=(),
    answered_by=(AnsweredBy(2, 41_212, 312),),
    check=SelfCheck(41_212, 41_212, 0.0),
    changed=312,
    tolerance=None,
    ways=(ChangedWay("0", "1", 200), ChangedWay("1", "0", 112)),
    moved_p50=0.01,
    moved_p95=0.05,
    moved_most=0.4,
    slices=(
        ReplaySlice("target", "ewr", 30_000, 300, 28_000, 0.8, 0.81),
        ReplaySlice("target", "jfk", 11_212, 12, 0, None, None),
    ),
    outcomes=OutcomeFigures(
        40_000, 38_900, "24 whole days drawn again", (FigurePair("auc", 0.731, 0.742, 0.011, 0.004, 0.018),)
    ),
    scores=ScoreCounts(tuple(i / 20 for i in range(21)), (1,) * 20, (2,) * 20),
    drift=(ScoreDrift(2, 0.05, 0.03), ScoreDrift(3, 0.06, 0.04)),
    latency=CallLatency(100, 0.4, 0.6, 0.5, 0.9),
    inputs=(MetInput("carrier", 0, 4), MetInput("wind", 2_000, 0)),
    examples=(ReplayExample("ewr-1.7.3", "ewr", 2, FIRST, 0.2, 0.6, "0", "1", "1"),),
    scored_s=1.5,
)


def replay_of(**changes: Any) -> TrafficReplay:
    """A replay of version 3 against 2, some of its findings changed."""
    return TrafficReplay("flight-delay", 3, 2, TRAFFIC, replace(FOUND, **changes))
