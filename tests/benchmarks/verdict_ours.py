"""Pilothouse's verdicts on the windows of a study: as it comes, and with its rate moved to a given number of false alarms."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from verdict_files import LEAD, Array, Study

from pilothouse.domain.monitoring.alert_rules import Turn, turn
from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_groups, profile_rows
from pilothouse.statistics.profiles.specification import SCORE, ProfileSpecification, build_specification
from pilothouse.statistics.significance.calibration import Calibration, calibrate
from pilothouse.statistics.significance.multiplicity import LASTING
from pilothouse.statistics.significance.quality import judge_quality
from pilothouse.statistics.significance.thresholds import judge

K = TypeVar("K")
GOAL = 0.001
"""False alarms for each feature and window; the peers' matched thresholds are those that give as many."""
FIRE, OF = 2, 3
DEFAULT_RATE = 0.01
RATES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)
"""What Pilothouse's rate of false alarms may be moved to."""


@dataclass
class Outcome:
    """What one method made of one kind of data, ``rate`` being the false alarm rate it was asked for. ``quiet``: scores of
    unchanged feature-windows (peers), ``waits``: windows until each shift was found, infinite where it was not."""

    significant: int = 0
    alerts: int = 0
    looked_at: int = 0
    quiet: list[float] = field(default_factory=list)
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    shifted: dict[str, list[Array]] = field(default_factory=lambda: defaultdict(list))
    rate: float = DEFAULT_RATE
    verdicts: dict[str, tuple[list[bool], list[bool]]] = field(default_factory=dict)
    """Of the last quiet run: whether each window was significant, and certain, by subject."""


def numbers_and_texts(study: Study, rows: dict[str, Array]) -> tuple[dict, dict, Array]:
    """Columns as profiles take them."""
    numeric = {k: v for k, v in rows.items() if k not in study.texts and k != SCORE}
    texts = {k: np.array(study.texts[k], object)[v].tolist() for k, v in rows.items() if k in study.texts}
    return numeric, texts, rows[SCORE]


def reference_of(study: Study) -> tuple[ProfileSpecification, list[Profile]]:
    """The specification of a study's reference and a profile a day."""
    numeric, texts, scores = numbers_and_texts(study, study.reference)
    specification = build_specification("binary", numeric, texts, scores, ("0", "1"))
    return specification, [p for _, p in profile_groups(specification, numeric, texts, scores, study.days)]


def run_of_alerts(significant: list[bool], certain: list[bool]) -> tuple[int, float]:
    """How many alerts a run of windows opens (windows before LEAD do not count), and the windows until the first."""
    is_open, opened, first = False, 0, math.inf
    for i in range(len(significant)):
        change = turn(significant[: i + 1], is_open, FIRE, OF, certain=certain[i])
        if change is Turn.OPEN and i >= LEAD:
            opened += 1
            first = min(first, i - LEAD + 1)
        is_open = (is_open or change is Turn.OPEN) and change is not Turn.RESOLVE
    return opened, first


@dataclass(eq=False)
class Ready:
    """A reference as a daemon keeps it, made when it is first asked for."""

    specification: ProfileSpecification
    whole: Profile
    calibration: Calibration

    @classmethod
    def of(cls, study: Study) -> "Ready":
        specification, daily = reference_of(study)
        return cls(specification, merge_all(specification, daily), calibrate(specification, daily, 7))

    @lru_cache(1_024)  # noqa: B019  # a run's first windows come again with every shift
    def merged(self, *profiles: Profile) -> Profile:
        """The profile of several windows together."""
        return merge_all(self.specification, profiles)


class Series:
    """The verdicts of a run of windows, by subject, with one false alarm rate."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.significant: dict[str, list[bool]] = defaultdict(list)
        self.certain: dict[str, list[bool]] = defaultdict(list)

    def judge(self, ready: Ready, now: Profile, recent: Profile | None, last: Profile | None) -> None:
        """The next window, the recent past of it, and the last windows together."""
        given = ready.specification, ready.calibration, ready.whole, now
        drift = judge(*given, recent=recent, lasting=last, false_alarm_rate=self.rate)
        quality = judge_quality(*given, lasting=last, false_alarm_rate=self.rate)
        self.add(drift, quality)

    def add(self, drift: list[DriftFinding], quality: list[QualityFinding]) -> None:
        """The findings in the next window."""
        findings = [(j.feature, j) for j in drift] + [(f"{j.fault}:{j.feature}", j) for j in quality]
        for subject, finding in findings:
            self.significant[subject].append(finding.significant)
            self.certain[subject].append(finding.grounds.certain)

    def first(self, subject: str) -> float:
        """Windows until the first alert."""
        return run_of_alerts(self.significant[subject], self.certain[subject])[1]

    def count(self, outcome: Outcome) -> None:
        """What a quiet run adds."""
        outcome.verdicts = {s: (self.significant[s], self.certain[s]) for s in self.significant}
        outcome.looked_at += sum(len(s) - LEAD for s in self.significant.values())
        outcome.significant += sum(sum(s[LEAD:]) for s in self.significant.values())
        outcome.alerts += sum(
            run_of_alerts(self.significant[s], self.certain[s])[0] for s in self.significant
        )


def pilothouse(
    study: Study, ready: Ready, outcomes: Mapping[K, Outcome], series_of: Callable[[K], Series]
) -> None:
    """Judge a study's windows as a daemon does: profiles, the recent past, verdicts, then k of n; once for each key of
    ``outcomes``, by what ``series_of`` makes of it."""
    is_quiet = study.windows is study.beside
    led: dict[tuple[int, int], Profile] = {}  # the windows before a shift are the same for every shift
    for name in ["all"] if is_quiet else study.windows:
        base = name.split(" ")[0]
        of = f"missing:{base}" if "missing" in name else base
        runs = next(iter(study.beside.values())).shape[:2]
        for run in range(runs[0]):
            series = {key: series_of(key) for key in outcomes}
            past: list[Profile] = []
            for i in range(runs[1]):
                rows = {column: w[run, i] for column, w in study.beside.items()}
                if not is_quiet:
                    rows[base] = study.windows[name][run, i]
                if (run, i) in led and i < LEAD:
                    now = led[run, i]
                else:
                    now = led[run, i] = profile_rows(ready.specification, *numbers_and_texts(study, rows))
                recent = ready.merged(*past[-LEAD:]) if len(past) >= LEAD else None
                last = ready.merged(*past[1 - LASTING :], now) if len(past) >= LASTING - 1 else None
                for one in series.values():
                    if is_quiet or math.isinf(one.first(of)):
                        one.judge(ready, now, recent, last)
                past.append(now)
            for key, one in series.items():
                if is_quiet:
                    one.count(outcomes[key])
                else:
                    outcomes[key].waits[name].append(one.first(of))


def ours(pairs: list[list[Study]]) -> dict[str, Outcome]:
    """Pilothouse as it comes, and ``moved``: with the largest of RATES that gives no more than GOAL on the quiet windows, as
    the peers' matched thresholds do."""
    kept = [Ready.of(pair[0]) for pair in pairs]
    quiet = {rate: Outcome() for rate in RATES}
    for ready, pair in zip(kept, pairs, strict=True):
        pilothouse(pair[0], ready, quiet, Series)
    let_pass = [rate for rate, of in quiet.items() if of.alerts <= GOAL * of.looked_at]
    rate = max(let_pass, default=RATES[0])
    chosen = {DEFAULT_RATE: quiet[DEFAULT_RATE], rate: quiet[rate]}
    for ready, pair in zip(kept, pairs, strict=True):
        for study in pair[1:]:
            pilothouse(study, ready, chosen, Series)
    return {"pilothouse": chosen[DEFAULT_RATE], "moved": replace(chosen[rate], rate=rate)}
