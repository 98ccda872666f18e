"""Curves of MLflow's tracking server: those of several runs in a request, as many as an answer holds, read as they come."""

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.json_items import items_of
from pilothouse.domain.imported.names import read_whole
from pilothouse.domain.imported.records import MOST_POINTS, Curve
from pilothouse.foreign.http_client import HttpClient
from pilothouse.foreign.mlflow_answers import Gathered, mapping, mappings, point_of
from pilothouse.foreign.paging import after, followed

_BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
_HISTORY = "/api/2.0/mlflow/metrics/get-history"
MOST_RUNS = 100
"""Runs whose curves a request may ask for."""
FULL = 25_000
"""Points in an answer at most, after which it may be cut."""


class TooManyPointsError(Exception):
    """Runs have more points than are held together."""


class Held:
    """Points that several requests have brought together; None as the most: however many there are."""

    def __init__(self, most: int | None) -> None:
        self.points = 0
        self._most, self._lock = most, Lock()

    def add(self, points: int) -> None:
        with self._lock:
            self.points += points
            if self._most is not None and self.points > self._most:
                raise TooManyPointsError


class CurveReader:
    """Reads curves of one server. Any thread may call it."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._fitting: dict[str, int] = {}
        """Runs whose curves of a metric fit into an answer, as answers before have shown."""

    def fitting(self, key: str) -> int:
        """Runs whose curves of a metric are likely to fit into an answer."""
        return self._fitting.get(key, MOST_RUNS)

    def of(self, key: str, runs: Sequence[str], held: Held) -> dict[str, Curve]:
        """Curves of one metric by run. What a full answer has cut off is asked for next, the curve that alone fills one page by
        page."""
        found: dict[str, Curve] = {}
        left = list(runs)
        while left:
            held.add(0)  # nothing is asked for any more where there are too many
            asked = left[: self.fitting(key)]
            points, is_in_order = self._points_of(key, asked)
            count = sum(map(len, points.values()))
            if count < FULL:
                if count:
                    self._fitting[key] = max(1, min(MOST_RUNS, len(asked) * (FULL - 1) // count))
                done = set(asked)
            elif is_in_order and len(points) > 1:
                points.popitem()  # the last one, which may go on
                self._fitting[key] = len(points)
                done = set(points)
            elif is_in_order or len(asked) == 1:
                found |= self._long_curve(key, asked[0] if len(asked) == 1 else next(iter(points)), held)
                self._fitting[key] = 1
                done, points = set(found), {}
            else:  # a server that mixes runs
                self._fitting[key] = len(asked) // 2
                continue
            if not done.intersection(left):
                raise UnavailableError(
                    f"{self._client.address}{_BULK} answers with runs that were not asked for: is it a tracking server?"
                )
            curves = {run: of_run.curve() for run, of_run in points.items()}
            held.add(sum(map(len, curves.values())))
            found |= curves
            left = [run for run in left if run not in done]
        return found

    def _points_of(self, key: str, runs: Sequence[str]) -> tuple[dict[str, Gathered], bool]:
        """Points of one metric by run, as many as an answer holds, and whether it tells one run after the other."""
        points: dict[str, Gathered] = {}
        asked = [*(("run_id", run) for run in runs), ("metric_key", key), ("max_results", str(FULL))]

        def take(parts: Iterator[bytes]) -> bool:
            points.clear()
            before, is_in_order = "", True
            for point in items_of(parts, "metrics", {}):
                run = str(point.get("run_id", ""))
                if run != before:
                    is_in_order = is_in_order and run not in points
                    before = run
                points.setdefault(run, Gathered()).add(point_of(point))
            return is_in_order

        is_in_order = self._client.taken(_BULK, asked, take)
        return points, is_in_order

    def _long_curve(self, key: str, run: str, held: Held) -> dict[str, Curve]:
        """Curve that fills answers alone, page by page."""
        curve = Curve()

        def ask(token: str) -> tuple[Gathered, object]:
            asked = [("run_id", run), ("metric_key", key), ("max_results", str(FULL)), *after(token)]
            beside: dict[str, Any] = {}

            def take(parts: Iterator[bytes]) -> Gathered:
                return Gathered(map(point_of, items_of(parts, "metrics", beside)))

            page = self._client.taken(_HISTORY, asked, take)
            return page, beside.get("next_page_token")

        for page in followed(f"{self._client.address}{_HISTORY}", ask):
            for point in page:
                curve.add(point)
            held.add(0)
        held.add(len(curve))
        return {run: curve}


def likely_together(runs: Sequence[Mapping[str, Any]], most_points: int) -> int:
    """Runs that are likely to be held together, by the steps of their latest points: as many points as steps."""
    expected = 0
    for count, run in enumerate(runs):
        for metric in mappings(mapping(run, "data"), "metrics"):
            expected += min(max(0, read_whole(metric.get("step")) or 0) + 1, 2 * MOST_POINTS)
        if expected > most_points:
            return max(1, count)
    return max(1, len(runs))
