"""MLflow's tracking server, read by its REST API without its library.

The API: https://mlflow.org/docs/latest/api_reference/rest-api.html

Runs are asked for by their ids, a hundred a request, and curves a hundred runs a request, a few requests at a time. What a
server does for a run costs it far more than the request, so that larger requests would gain nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.imported.names import path_fault, read_number, read_whole, stored_text, stored_texts
from pilothouse.domain.imported.records import Curve, ForeignModel, ForeignRun, ForeignVersion, Point
from pilothouse.foreign.file_roots import DEEPEST, MOST_FILES
from pilothouse.foreign.http_client import HttpClient, Parameters
from pilothouse.foreign.source import PAGE, Chunks, FoundFile

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


class MlflowServer:
    """Tracking server at ``http://…`` or ``https://…``."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.origin = client.address
        self._experiments: dict[str, str] | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mlflow")
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
                yield [_model(_mapping(answer, "registered_model"))]
            return
        for answer in self._pages(f"{_API}/registered-models/search", [("max_results", str(PAGE))]):
            yield [_model(one) for one in _mappings(answer, "registered_models")]

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
                versions = [_version(found) for found in _mappings(answer, "model_versions")]
                for start in range(0, len(versions), PAGE):
                    yield versions[start : start + PAGE]

    def runs(self, ids: Sequence[str], without_curves: frozenset[str]) -> list[ForeignRun]:
        """Runs of these ids that exist; curves but for those of which they are known."""
        absent = [one for one in ids if one not in self._told]
        plain = [self._told[one] for one in ids if one in self._told]
        for found in self._each(self._searched, _parts(absent, _RUNS)):
            plain += found
        plain.sort(key=_id_of)
        having: dict[str, list[str]] = {}
        for run in plain:
            if _id_of(run) not in without_curves:
                for metric in _mappings(_mapping(run, "data"), "metrics"):
                    having.setdefault(str(metric.get("key", "")), []).append(_id_of(run))
        asked = [(key, part) for key in sorted(having) for part in _parts(having[key], _RUNS)]
        curves: dict[str, dict[str, Curve]] = {}
        for (key, _), of_runs in zip(asked, self._each(lambda one: self._curves(*one), asked), strict=True):
            for number, curve in of_runs.items():
                curves.setdefault(number, {})[stored_text(key)] = curve
        for run in plain:
            self._told.pop(_id_of(run), None)
        return [_run(run, self._known_experiments(), curves.get(_id_of(run), {})) for run in plain]

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
        self._told |= {_id_of(run): run for run in told}
        return {_id_of(run) for run in told}

    def _searched(self, ids: Sequence[str], more: str = "", view: str = "ALL") -> list[Mapping[str, Any]]:
        body = {
            "experiment_ids": list(self._known_experiments()),
            "filter": f"attributes.run_id IN ({', '.join(map(_quoted, ids))}){more}",
            "run_view_type": view,
            "max_results": len(ids) if more else _RUNS,
        }
        return _mappings(self._client.json(f"{_API}/runs/search", body=body), "runs")

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
            self._told = {_id_of(run): run for run in _mappings(answer, "runs")}
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
            for one in _mappings(answer, "files"):
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

    def _curves(self, key: str, runs: Sequence[str]) -> dict[str, Curve]:
        """Curves of one metric by run. An answer that is full is asked for again in halves, one run at last page by page."""
        if not runs:
            return {}
        asked = [*(("run_id", run) for run in runs), ("metric_key", key), ("max_results", str(_FULL))]
        points = _mappings(self._client.json(_BULK, asked), "metrics")
        if len(points) >= _FULL and len(runs) > 1:
            half = len(runs) // 2
            return {**self._curves(key, runs[:half]), **self._curves(key, runs[half:])}
        if len(points) >= _FULL:
            asked = [("run_id", runs[0]), ("metric_key", key), ("max_results", str(_FULL))]
            curve = Curve()
            for answer in self._pages(f"{_API}/metrics/get-history", asked):
                for point in _mappings(answer, "metrics"):
                    curve.add(_point(point))
            return {runs[0]: curve}
        found: dict[str, list[Point]] = {}
        for point in points:
            found.setdefault(str(point.get("run_id", "")), []).append(_point(point))
        return {run: _curve(of_run) for run, of_run in found.items()}

    def _known_experiments(self) -> Mapping[str, str]:
        if self._experiments is None:
            found: dict[str, str] = {}
            body = {"max_results": 1_000, "view_type": "ALL"}
            for answer in self._pages(f"{_API}/experiments/search", (), body):
                for one in _mappings(answer, "experiments"):
                    found[str(one.get("experiment_id", ""))] = stored_text(one.get("name"))
            self._experiments = found
        return self._experiments

    def _pages(
        self, path: str, parameters: Parameters, body: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        token, seen = "", set[str]()
        while True:
            if body is None:
                answer = self._client.json(path, [*parameters, *([("page_token", token)] if token else [])])
            else:
                answer = self._client.json(
                    path, parameters, {**body, **({"page_token": token} if token else {})}
                )
            yield answer
            token = str(answer.get("next_page_token") or "")
            if not token:
                return
            if token in seen:
                raise UnavailableError(
                    f"{self.origin}{path} gives the same page again and again: nothing more is read"
                )
            seen.add(token)


def _parts(ids: Sequence[str], most: int) -> list[Sequence[str]]:
    """Ids in as many parts as requests."""
    return [ids[start : start + most] for start in range(0, len(ids), most)]


def _curve(points: list[Point]) -> Curve:
    curve = Curve()
    for point in sorted(points, key=_order):
        curve.add(point)
    return curve


def _order(point: Point) -> tuple[int, int, bool, float]:
    step, time, value = point
    is_nan = value != value
    return (step, time, is_nan, 0.0 if is_nan else value)


def _model(plain: Mapping[str, Any]) -> ForeignModel:
    aliases = {
        str(one.get("alias", "")): read_whole(one.get("version")) for one in _mappings(plain, "aliases")
    }
    return ForeignModel(
        workspace=stored_text(plain.get("workspace") or "default"),
        name=stored_text(plain.get("name")),
        description=stored_text(plain.get("description")),
        created_ms=read_whole(plain.get("creation_timestamp")),
        updated_ms=read_whole(plain.get("last_updated_timestamp")),
        tags=_pairs(plain, "tags"),
        aliases={stored_text(alias): number for alias, number in aliases.items() if number is not None},
    )


def _version(plain: Mapping[str, Any]) -> ForeignVersion:
    number = read_whole(plain.get("version"))
    if number is None or not plain.get("name"):
        raise UnavailableError(
            "the server names a version without a model or a number: is it a tracking server?"
        )
    return ForeignVersion(
        workspace=stored_text(plain.get("workspace") or "default"),
        model=stored_text(plain["name"]),
        number=number,
        created_ms=read_whole(plain.get("creation_timestamp")),
        updated_ms=read_whole(plain.get("last_updated_timestamp")),
        description=stored_text(plain.get("description")),
        user=stored_text(plain.get("user_id")),
        stage=stored_text(plain.get("current_stage")),
        status=stored_text(plain.get("status")),
        source=stored_text(plain.get("source")),
        run=stored_text(plain.get("run_id")),
        tags=_pairs(plain, "tags"),
    )


def _run(plain: Mapping[str, Any], experiments: Mapping[str, str], curves: Mapping[str, Curve]) -> ForeignRun:
    info, data = _mapping(plain, "info"), _mapping(plain, "data")
    inputs = [
        {
            **{
                name: stored_text(_mapping(one, "dataset").get(name))
                for name in ("name", "digest", "source_type", "source", "schema", "profile")
            },
            "tags": _pairs(one, "tags"),
        }
        for one in _mappings(_mapping(plain, "inputs"), "dataset_inputs")
    ]
    outputs = [
        {"model": stored_text(one.get("model_id")), "step": read_whole(one.get("step")) or 0}
        for one in _mappings(_mapping(plain, "outputs"), "model_outputs")
    ]
    return ForeignRun(
        id=stored_text(_id_of(plain)),
        experiment=experiments.get(str(info.get("experiment_id", "")), ""),
        name=stored_text(info.get("run_name")),
        user=stored_text(info.get("user_id")),
        status=stored_text(info.get("status")),
        lifecycle=stored_text(info.get("lifecycle_stage")),
        started_ms=read_whole(info.get("start_time")),
        ended_ms=read_whole(info.get("end_time")),
        artifacts=stored_text(info.get("artifact_uri")),
        params=_pairs(data, "params"),
        metrics={stored_text(one.get("key")): _point(one) for one in _mappings(data, "metrics")},
        tags=_pairs(data, "tags"),
        inputs=inputs,
        outputs=outputs,
        curves={key: curve.points for key, curve in curves.items() if curve.seen > 1},
        thinned={key: curve.seen for key, curve in curves.items() if curve.seen > len(curve.points)},
    )


def _point(plain: Mapping[str, Any]) -> Point:
    try:
        value = read_number(plain.get("value", 0.0))
    except ValueError as error:
        raise UnavailableError(f"a metric of the server: {error}") from None
    return (read_whole(plain.get("step")) or 0, read_whole(plain.get("timestamp")) or 0, value)


def _id_of(run: Mapping[str, Any]) -> str:
    return str(_mapping(run, "info").get("run_id", ""))


def _pairs(plain: Mapping[str, Any], name: str) -> dict[str, str]:
    return stored_texts({str(one.get("key", "")): one.get("value") for one in _mappings(plain, name)})


def _mapping(plain: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = plain.get(name)
    return found if isinstance(found, dict) else {}


def _mappings(plain: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = plain.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _quoted(text: str) -> str:
    if "'" in text and '"' in text:
        raise UnavailableError(
            f"{safe(text, 80)!r} has quotation marks of both kinds, which the server cannot be asked for"
        )
    mark = '"' if "'" in text else "'"
    return f"{mark}{text}{mark}"
