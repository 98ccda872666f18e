"""MLflow's tracking server, read by its REST API without its library.

The API: https://mlflow.org/docs/latest/api_reference/rest-api.html

Runs are asked for by their ids, a hundred a request, and curves a hundred runs a request, a few requests at a time. What a
server does for a run costs it far more than the request, so that larger requests would gain nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.formats.json_items import items_of
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.imported.names import path_fault, read_whole, stored_text
from pilothouse.domain.imported.records import MOST_POINTS, Curve, ForeignModel, ForeignRun, ForeignVersion
from pilothouse.foreign.file_roots import DEEPEST, MOST_FILES
from pilothouse.foreign.http_client import HttpClient, Parameters
from pilothouse.foreign.mlflow_answers import (
    Gathered,
    id_of,
    mapping,
    mappings,
    model_of,
    point_of,
    run_of,
    version_of,
)
from pilothouse.foreign.source import HELD_POINTS, PAGE, Chunks, FoundFile

_API = "/api/2.0/mlflow"
_BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
_RUNS = 100
_LOOKED_AT = 500
"""Runs in a request that is answered with few of them."""
_VERSIONS = 2_000
"""Versions in an answer: a page there is a query that sorts all of them."""
_AT_ONCE = 8
"""Requests that are under way together, each on a connection that is kept."""
_FULL = 25_000
"""Points in an answer at most, after which it may be cut."""
_LARGEST_FILE = 4 << 30
_KNOWN = ("MLmodel", "requirements.txt", "python_env.yaml", "conda.yaml", "input_example.json", "serving_input_example.json",
          "model.skops", "model.pkl")  # fmt: skip
"""Files that are asked for by name where the server lists none."""
_CHANGED = (
    (" AND attributes.end_time > {since_ms}", "ALL"),
    (" AND attributes.status != 'FINISHED'", "ALL"),
    (" AND attributes.start_time > 0", "DELETED_ONLY"),
)
"""Filters and views by which a server names runs that have changed; a filter has no ``OR``."""

T = TypeVar("T")
R = TypeVar("R")


class _TooManyPointsError(Exception):
    """Runs have more points than are held together."""


class _Held:
    """Points that several requests have brought together; None as the most: however many there are."""

    def __init__(self, most: int | None) -> None:
        self.points = 0
        self._most, self._lock = most, Lock()

    def add(self, points: int) -> None:
        with self._lock:
            self.points += points
            if self._most is not None and self.points > self._most:
                raise _TooManyPointsError


class MlflowServer:
    """Tracking server at ``http://…`` or ``https://…``."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.origin = client.address
        self._experiments: dict[str, str] | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mlflow")
        self._together: int | None = None
        """Runs whose curves were few enough to be held together; None before any was read."""
        self._fitting: dict[str, int] = {}
        """Runs whose curves of a metric fit into an answer, as answers before have shown."""
        self._told: dict[str, Mapping[str, Any]] = {}
        """Runs that have been told in full and are asked for next."""

    def count(self, names: Sequence[str]) -> int | None:
        """None: the server does not count."""
        return None

    def models(self, names: Sequence[str]) -> Iterator[list[ForeignModel]]:
        """Registered models, page by page."""
        if names:
            for name in names:
                answer = self._client.json(f"{_API}/registered-models/get", [("name", name)])
                yield [model_of(mapping(answer, "registered_model"))]
            return
        for answer in self._pages(f"{_API}/registered-models/search", [("max_results", str(PAGE))]):
            yield [model_of(one) for one in mappings(answer, "registered_models")]

    def versions(self, names: Sequence[str]) -> Iterator[list[ForeignVersion]]:
        """Versions, page by page, in the order of their models and numbers."""
        order = [
            ("order_by", "name ASC"),
            ("order_by", "version_number ASC"),
            ("max_results", str(_VERSIONS)),
        ]
        chosen = [[("filter", f"name = {_quoted(name)}")] for name in names] or [[]]
        for one in chosen:
            for answer in self._pages(f"{_API}/model-versions/search", [*one, *order]):
                versions = [version_of(found) for found in mappings(answer, "model_versions")]
                for start in range(0, len(versions), PAGE):
                    yield versions[start : start + PAGE]

    def runs(self, ids: Sequence[str], without_curves: frozenset[str]) -> Iterator[list[ForeignRun]]:
        """Runs of these ids that exist, in parts; curves but for those of which they are known. The server does not say
        how many points a run has: a part with too many is given up, and asked for again as smaller ones."""
        absent = [one for one in ids if one not in self._told]
        plain = [self._told[one] for one in ids if one in self._told]
        for found in self._each(self._searched, _parts(absent, _RUNS)):
            plain += found
        plain.sort(key=id_of)
        while plain:
            part = plain[: self._together or _likely(plain)]
            held = _Held(HELD_POINTS if len(part) > 1 else None)
            try:
                curves = self._curves_of([one for one in part if id_of(one) not in without_curves], held)
            except _TooManyPointsError:
                self._together = max(1, len(part) // 4)
                continue
            del plain[: len(part)]
            for run in part:
                self._told.pop(id_of(run), None)
            yield [run_of(run, self._known_experiments(), curves.get(id_of(run), {})) for run in part]
            self._together = max(1, min(PAGE, len(part) * HELD_POINTS // max(1, held.points)))

    def _curves_of(self, runs: Sequence[Mapping[str, Any]], held: "_Held") -> dict[str, dict[str, Curve]]:
        """Curves by run and metric. Raises _TooManyPointsError."""
        having: dict[str, list[str]] = {}
        for run in runs:
            for metric in mappings(mapping(run, "data"), "metrics"):
                having.setdefault(str(metric.get("key", "")), []).append(id_of(run))
        asked = [
            (key, part)
            for key in sorted(having)
            for part in _parts(having[key], self._fitting.get(key, _RUNS))
        ]
        curves: dict[str, dict[str, Curve]] = {}
        answers = self._each(lambda one: self._curves(*one, held), asked)
        for (key, _), of_runs in zip(asked, answers, strict=True):
            for number, curve in of_runs.items():
                curves.setdefault(number, {})[stored_text(key)] = curve
        return curves

    def changed_runs(self, ids: Sequence[str], since_ms: int) -> set[str]:
        """Those that have ended since, go on again, failed, or are deleted. The server knows no time of a tag or a name."""
        parts = _parts(ids, _LOOKED_AT)
        asked = [(part, kind, view) for part in parts for kind, view in _CHANGED]
        told = [
            run
            for found in self._each(
                lambda one: self._searched(one[0], one[1].format(since_ms=since_ms), one[2]), asked
            )
            for run in found
        ]
        self._told |= {id_of(run): run for run in told}
        return {id_of(run) for run in told}

    def _searched(self, ids: Sequence[str], more: str = "", view: str = "ALL") -> list[Mapping[str, Any]]:
        """Those of the runs that the server tells of, each once; others that it tells of are not taken."""
        body = {
            "experiment_ids": list(self._known_experiments()),
            "filter": f"attributes.run_id IN ({', '.join(map(_quoted, ids))}){more}",
            "run_view_type": view,
            "max_results": len(ids) if more else _RUNS,
        }
        told = {
            id_of(run): run for run in mappings(self._client.json(f"{_API}/runs/search", body=body), "runs")
        }
        return [told[one] for one in ids if one in told]

    def _each(self, ask: Callable[[T], R], asked: Iterable[T]) -> Iterator[R]:
        """Answers in the order of what is asked, a few requests at a time."""
        self._known_experiments()  # once, before several want them
        return self._pool.map(ask, asked)

    def run_ids(self) -> Iterator[list[str]]:
        """Ids of all runs, page by page. The server tells all of each run with its id."""
        body = {
            "experiment_ids": list(self._known_experiments()),
            "run_view_type": "ALL",
            "max_results": PAGE,
        }
        if not body["experiment_ids"]:
            return
        for answer in self._pages(f"{_API}/runs/search", (), body):
            self._told = {id_of(run): run for run in mappings(answer, "runs")}
            yield list(self._told)
        self._told = {}

    def files(self, version: ForeignVersion) -> Iterator[FoundFile]:
        """Files of a version: of its logged model, else of its run. Any thread may call it."""
        if version.logged_model:
            listing = f"{_API}/logged-models/{quote(version.logged_model, safe='')}/artifacts/directories"
            bytes_at = (
                f"/ajax-api/2.0/mlflow/logged-models/{quote(version.logged_model, safe='')}/artifacts/files"
            )
            yield from self._below(listing, [], "artifact_directory_path", bytes_at, "artifact_file_path", "")
            return
        run, _, folder = version.source.removeprefix("runs:/").partition("/")
        if version.source.startswith("runs:/") and run:
            yield from self._below(
                f"{_API}/artifacts/list",
                [("run_id", run)],
                "path",
                "/get-artifact",
                "path",
                folder.strip("/"),
            )
            return
        asked = [("name", version.model), ("version", str(version.number))]
        for name in _KNOWN:
            try:
                data = b"".join(self._client.chunks("/model-versions/get-artifact", [*asked, ("path", name)]))
            except (NotFoundError, UnavailableError):
                continue
            yield FoundFile(name, len(data), lambda data=data: iter((data,)))  # type: ignore[misc]

    def close(self) -> None:
        self._client.close()
        self._pool.shutdown(cancel_futures=True)

    def _below(
        self, listing: str, asked: Parameters, folder_key: str, bytes_at: str, file_key: str, root: str
    ) -> Iterator[FoundFile]:
        left, folders = MOST_FILES, [(root, 0)]
        while folders and left > 0:
            folder, depth = folders.pop(0)
            answer = self._client.json(listing, [*asked, *([(folder_key, folder)] if folder else [])])
            for one in mappings(answer, "files"):
                path = str(one.get("path", ""))
                if path_fault(path) or (root and not path.startswith(f"{root}/")):
                    raise UnavailableError(
                        f"the server lists {safe(path, 100)!r}, which is no path of this folder"
                    )
                if one.get("is_dir"):
                    if depth < DEEPEST:
                        folders.append((path, depth + 1))
                elif left > 0:
                    left -= 1
                    given = [*asked, (file_key, path)]
                    shown = path[len(root) + 1 :] if root else path
                    yield FoundFile(shown, read_whole(one.get("file_size")), self._reader(bytes_at, given))

    def _reader(self, path: str, parameters: Parameters) -> Any:
        def chunks() -> Chunks:
            return self._client.chunks(path, parameters, None, _LARGEST_FILE)

        return chunks

    def _curves(self, key: str, runs: Sequence[str], held: "_Held") -> dict[str, Curve]:
        """Curves of one metric by run. What a full answer has cut off is asked for next, the curve that alone fills one page by
        page."""
        found: dict[str, Curve] = {}
        left = list(runs)
        while left:
            held.add(0)  # nothing is asked for any more where there are too many
            asked = left[: self._fitting.get(key, _RUNS)]
            points, is_in_order = self._points_of(key, asked)
            count = sum(map(len, points.values()))
            if count < _FULL:
                if count:
                    self._fitting[key] = max(1, min(_RUNS, len(asked) * (_FULL - 1) // count))
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
            curves = {run: of_run.curve() for run, of_run in points.items()}
            held.add(sum(map(len, curves.values())))
            found |= curves
            left = [run for run in left if run not in done]
        return found

    def _points_of(self, key: str, runs: Sequence[str]) -> tuple[dict[str, Gathered], bool]:
        """Points of one metric by run, as many as an answer holds, and whether it tells one run after the other."""
        points: dict[str, Gathered] = {}
        asked = [*(("run_id", run) for run in runs), ("metric_key", key), ("max_results", str(_FULL))]

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

    def _long_curve(self, key: str, run: str, held: "_Held") -> dict[str, Curve]:
        """Curve that fills answers alone, page by page."""
        path, curve = f"{_API}/metrics/get-history", Curve()

        def ask(token: str) -> tuple[Gathered, object]:
            asked = [("run_id", run), ("metric_key", key), ("max_results", str(_FULL)), *_after(token)]
            beside: dict[str, Any] = {}

            def take(parts: Iterator[bytes]) -> Gathered:
                return Gathered(map(point_of, items_of(parts, "metrics", beside)))

            page = self._client.taken(path, asked, take)
            return page, beside.get("next_page_token")

        for page in self._followed(path, ask):
            for point in page:
                curve.add(point)
            held.add(0)
        held.add(len(curve))
        return {run: curve}

    def _known_experiments(self) -> Mapping[str, str]:
        if self._experiments is None:
            found: dict[str, str] = {}
            body = {"max_results": 1_000, "view_type": "ALL"}
            for answer in self._pages(f"{_API}/experiments/search", (), body):
                for one in mappings(answer, "experiments"):
                    found[str(one.get("experiment_id", ""))] = stored_text(one.get("name"))
            self._experiments = found
        return self._experiments

    def _pages(
        self, path: str, parameters: Parameters, body: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        def ask(token: str) -> tuple[dict[str, Any], object]:
            if body is None:
                answer = self._client.json(path, [*parameters, *_after(token)])
            else:
                answer = self._client.json(path, parameters, {**body, **dict(_after(token))})
            return answer, answer.get("next_page_token")

        return self._followed(path, ask)

    def _followed(self, path: str, ask: Callable[[str], tuple[T, object]]) -> Iterator[T]:
        """Pages that are asked for by the token of the one before, until there is none."""
        token, seen = "", set[str]()
        while True:
            page, following = ask(token)
            yield page
            token = str(following or "")
            if not token:
                return
            if token in seen:
                raise UnavailableError(
                    f"{self.origin}{path} gives the same page again and again: nothing more is read"
                )
            seen.add(token)


def _after(token: str) -> list[tuple[str, str]]:
    """Parameter that asks for the page after."""
    return [("page_token", token)] if token else []


def _likely(runs: Sequence[Mapping[str, Any]]) -> int:
    """Runs that are likely to be held together, by the steps of their latest points: as many points as steps."""
    expected = 0
    for count, run in enumerate(runs[:PAGE]):
        for metric in mappings(mapping(run, "data"), "metrics"):
            expected += min(max(0, read_whole(metric.get("step")) or 0) + 1, 2 * MOST_POINTS)
        if expected > HELD_POINTS:
            return max(1, count)
    return PAGE


def _parts(ids: Sequence[str], most: int) -> list[Sequence[str]]:
    """Ids in as many parts as requests."""
    return [ids[start : start + most] for start in range(0, len(ids), most)]


def _quoted(text: str) -> str:
    if "'" in text and '"' in text:
        raise UnavailableError(
            f"{safe(text, 80)!r} has quotation marks of both kinds, which the server cannot be asked for"
        )
    mark = '"' if "'" in text else "'"
    return f"{mark}{text}{mark}"
