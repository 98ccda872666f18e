"""Verdicts on a window's data quality: rows that are missing, categories that the reference does not hold."""

from collections.abc import Collection
from dataclasses import dataclass

from pilothouse.domain.monitoring.findings import Grounds, QualityFinding
from pilothouse.statistics.profiles.profile import Histogram, Profile, histogram
from pilothouse.statistics.profiles.specification import CategoricalColumn, Column, ProfileSpecification
from pilothouse.statistics.significance.calibration import EFFECT, FEWEST_ROWS, Calibration, Null
from pilothouse.statistics.significance.multiplicity import (
    LASTING,
    LASTS,
    LEANS,
    benjamini_hochberg,
    certain_level,
    harmonic,
    needed,
)
from pilothouse.statistics.significance.sampling_null import ShareTail, share_tail


@dataclass(frozen=True, slots=True)
class _Count:
    """Hits among rows, their null distribution, and the p-value of so many."""

    hits: int
    rows: int
    law: ShareTail
    p_value: float

    @property
    def share(self) -> float:
        return self.hits / self.rows


@dataclass(frozen=True, slots=True)
class _Looked:
    """Tests of one share: ``count`` is the deciding test of ``made``, ``others`` the p-values of those that test the
    same; ``certain`` is the p-value that opens an alert."""

    feature: str
    fault: str
    reference: float
    null: Null | None
    count: _Count
    together: int
    made: int
    others: tuple[float, ...]
    certain: float

    @property
    def weights(self) -> tuple[float, ...]:
        """Weights of ``count`` and of the others in the harmonic mean."""
        if self.made == 1:
            return (1.0,)
        return (1 - LASTS,) if self.together == 1 else (LASTS, 1 - LASTS)

    @property
    def p_value(self) -> float:
        return harmonic((self.count.p_value, *self.others), self.weights)

    @property
    def heavy(self) -> float:
        """The p-value where the rise reaches its EFFECT, else 1."""
        return self.p_value if self.count.share - self.reference >= EFFECT[self.fault] else 1.0


def judge_quality(
    specification: ProfileSpecification,
    calibration: Calibration,
    reference: Profile,
    current: Profile,
    *,
    lasting: Profile | None = None,
    windows: int = 1,
    false_alarm_rate: float = 0.01,
    ignore: Collection[str] = (),
) -> list[QualityFinding]:
    """Verdicts on each feature's share of missing rows, and on each categorical feature's share of unseen categories,
    in the specification's order. Shares are of all rows, 0 to 1. Features in ``ignore``, with fewer than FEWEST_ROWS
    rows now, or without a reference row are left out.

    A share is significant where it has risen by EFFECT, by Fisher's exact test, and beyond what the reference's
    windows show; Benjamini–Hochberg over all tested shares at ``false_alarm_rate``. A share of missing rows that is
    stationary is tested against sampling alone, and over the last LASTING windows together (``lasting``) too. Where
    ``current`` is merged from several ``windows``, a share is significant only where it would open an alert by itself
    (``thresholds.judge_together``). Numbers out of range are drift and not judged here.
    """
    counted = []
    for column in specification.features:
        base, now = (histogram(specification, p, column.name) for p in (reference, current))
        if column.name in ignore or now.rows < FEWEST_ROWS or not base.rows:
            continue
        last = histogram(specification, lasting, column.name) if lasting is not None else None
        nulls = {null.statistic: null for null in calibration.columns.get(column.name, ())}
        counted += [
            (column.name, fault, (before, base.rows), (after, now.rows), last, nulls.get(fault))
            for fault, before, after in _faults(column, base, now)
        ]
    looks = [
        _look(*counts, certain_level(_is_stationary(counts[-1]), false_alarm_rate, len(counted)))
        for counts in counted
    ]
    critical = benjamini_hochberg([look.heavy for look in looks], false_alarm_rate)
    ranked = sorted(look.heavy for look in looks)
    return [
        _judged(
            look,
            critical if windows == 1 else min(critical, look.certain),
            1 + ranked.index(look.heavy),
            len(looks),
            windows,
        )
        for look in looks
    ]


def _is_stationary(null: Null | None) -> bool:
    return null is not None and null.sampling is not None


def _look(
    feature: str,
    fault: str,
    before: tuple[int, int],
    after: tuple[int, int],
    last: Histogram | None,
    null: Null | None,
    certain: float,
) -> _Looked:
    """Tests of one share in the window, and over the last windows together where it is stationary."""
    share = before[0] / before[1]
    now = _count(before, after, null)
    if last is None or not _is_stationary(null):
        return _Looked(feature, fault, share, null, now, 1, 1, (), certain)
    together = _count(before, (last.missing, last.rows), null)
    lasts = together.share - share >= EFFECT[fault] and now.p_value <= LEANS
    if lasts and together.p_value < now.p_value:
        both = _Looked(feature, fault, share, null, together, LASTING, 2, (now.p_value,), certain)
        if both.p_value <= certain:
            return both
    return _Looked(feature, fault, share, null, now, 1, 2, (), certain)


def _count(before: tuple[int, int], after: tuple[int, int], null: Null | None) -> _Count:
    """Test of the hits among the rows ``after`` against those ``before``: Fisher's exact test, and the share's null where
    it is overdispersed."""
    hits, rows = after
    law = null.sampling if null is not None else None
    tail = share_tail(*before, rows, law.beyond * rows / law.at if law is not None else 0.0)
    p_value = tail.p_value(hits)
    if null is not None and law is None:
        p_value = max(p_value, null.p_value(hits / rows, rows))
    return _Count(hits, rows, tail, p_value)


def _judged(look: _Looked, critical: float, rank: int, looked_at: int, windows: int) -> QualityFinding:
    level = critical if look.together == 1 else min(critical, look.certain)
    level = needed(level, look.weights[0], look.others, look.weights[1:])
    null, count = look.null, look.count
    calibrated = count.law.share_at(level)
    if null is not None and null.sampling is None:
        calibrated = max(calibrated, null.value_at(level, count.rows))
    threshold = max(look.reference + EFFECT[look.fault], calibrated)
    significant = look.heavy <= critical
    return QualityFinding(
        feature=look.feature,
        fault=look.fault,
        value=count.share,
        reference=look.reference,
        threshold=threshold,
        p_value=look.p_value,
        significant=significant,
        grounds=Grounds(
            effect=EFFECT[look.fault],
            calibrated=calibrated,
            usual=null.usual(null.rows[-1]) if null is not None else look.reference,
            blocks=null.windows if null is not None and null.sampling is None else 0.0,
            tests=look.made,
            level=critical,
            rank=rank,
            looked_at=looked_at,
            certain=significant and look.p_value <= look.certain,
            together=max(look.together, windows),
        ),
    )


def _faults(column: Column, base: Histogram, now: Histogram) -> list[tuple[str, int, int]]:
    """Each fault with its rows in the reference and now."""
    faults = [("missing", base.missing, now.missing)]
    if isinstance(column, CategoricalColumn) and base.present:
        faults.append(("unseen", 0, int(now.counts[base.counts == 0].sum())))
    return faults
