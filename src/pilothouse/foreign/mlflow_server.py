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
from pilothouse.domain.imported.names import path_fault, read_whole, stored_text
from pilothouse.domain.imported.records import Curve, ForeignModel, ForeignRun, ForeignVersion
from pilothouse.foreign.file_roots import DEEPEST, MOST_FILES
from pilothouse.foreign.http_client import HttpClient, Parameters
from pilothouse.foreign.mlflow_answers import id_of, mapping, mappings, model_of, run_of, version_of
from pilothouse.foreign.mlflow_curves import CurveReader, Held, TooManyPointsError, likely_together
from pilothouse.foreign.paging import after, followed
from pilothouse.foreign.source import HELD_POINTS, PAGE, Chunks, FoundFile

_API = "/api/2.0/mlflow"
_RUNS = 100
_LOOKED_AT = 500
"""Runs in a request that is answered with few of them."""
_VERSIONS = 2_000
"""Versions in an answer: a page there is a query that sorts all of them."""
_AT_ONCE = 8
"""Requests that are under way together, each on a connection that is kept."""
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
        self._together: int | None = None
        """Runs whose curves were few enough to be held together; None before any was read."""
        self._curves = CurveReader(client)
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
            part = plain[: self._together or likely_together(plain[:PAGE], HELD_POINTS)]
            held = Held(HELD_POINTS if len(part) > 1 else None)
            try:
                curves = self._curves_of([one for one in part if id_of(one) not in without_curves], held)
            except TooManyPointsError:
                self._together = max(1, len(part) // 4)
                continue
            del plain[: len(part)]
            for run in part:
                self._told.pop(id_of(run), None)
            yield [run_of(run, self._known_experiments(), curves.get(id_of(run), {})) for run in part]
            self._together = max(1, min(PAGE, len(part) * HELD_POINTS // max(1, held.points)))

    def _curves_of(self, runs: Sequence[Mapping[str, Any]], held: Held) -> dict[str, dict[str, Curve]]:
        """Curves by run and metric. Raises TooManyPointsError."""
        having: dict[str, list[str]] = {}
        for run in runs:
            for metric in mappings(mapping(run, "data"), "metrics"):
                having.setdefault(str(metric.get("key", "")), []).append(id_of(run))
        asked = [
            (key, part) for key in sorted(having) for part in _parts(having[key], self._curves.fitting(key))
        ]
        curves: dict[str, dict[str, Curve]] = {}
        answers = self._each(lambda one: self._curves.of(*one, held), asked)
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
                answer = self._client.json(path, [*parameters, *after(token)])
            else:
                answer = self._client.json(path, parameters, {**body, **dict(after(token))})
            return answer, answer.get("next_page_token")

        return followed(f"{self.origin}{path}", ask)


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
