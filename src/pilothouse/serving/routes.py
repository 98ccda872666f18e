"""Routes of a serving process as a table: path, methods, and what answers.

``GET /v2``, ``/v2/health/live``, ``/v2/health/ready``, ``/v2/models/M[/versions/V]`` and its ``/ready``, the inference
``POST /v2/models/M[/versions/V]/infer``, and ``/v2/repository/index`` (GET or POST). Beside the protocol: plain records by
``POST /v2/models/M[/versions/V]/predict``. A trailing slash is taken too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.safe_text import one_line
from pilothouse.serving import http
from pilothouse.serving.forms import RECORDS, TENSORS, Form
from pilothouse.serving.live_versions import Roster
from pilothouse.serving.protocol import encode, model_metadata, server_metadata

Names = Mapping[str, str]
"""Parts of a path that its pattern leaves open, by their names: ``model``, ``version``."""
Answering = Callable[[Roster, Names], http.Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """``pattern`` is a path in which ``{model}`` stands for a part of any text. A route has either an answer of the moment
    or the form of its predictions."""

    pattern: str
    methods: tuple[str, ...]
    answer: Answering | None = None
    form: Form | None = None


def find(path: str) -> tuple[Route, Names]:
    """Route of a path, and the parts that its pattern leaves open. Raises NotFoundError."""
    found = _find(path)
    if found is None:
        raise NotFoundError(f"there is nothing at {one_line(path, 120)}; see GET /v2")
    return found


def check_method(route: Route, method: str) -> None:
    """Raise HttpError 405 for a method that the route does not take."""
    if method not in route.methods:
        expected = ", ".join(route.methods)
        raise http.HttpError(
            405, f"{one_line(method, 20)} is not taken here; expected {expected}", {"allow": expected}
        )


@lru_cache(maxsize=256)
def _find(path: str) -> tuple[Route, Names] | None:
    parts = path.rstrip("/").split("/")[1:]
    for route, pattern in _PATTERNS:
        if len(pattern) == len(parts):
            names = {}
            for expected, part in zip(pattern, parts, strict=True):
                if expected[:1] == "{":
                    names[expected[1:-1]] = part
                elif expected != part:
                    break
            else:
                return route, names
    return None


def _server(_: Roster, __: Names) -> http.Answer:
    return _document(server_metadata())


def _live(_: Roster, __: Names) -> http.Answer:
    return _document({"live": True})


def _ready(roster: Roster, _: Names) -> http.Answer:
    return _document({"ready": roster.ready}, 200 if roster.ready else 503)


def _index(roster: Roster, _: Names) -> http.Answer:
    """Every live version, and every desired one that is not live yet, with the reason."""
    rows = [
        {"name": model, "version": str(loaded.version.version), "state": "READY", "reason": ""}
        for model, loaded in sorted(roster.live.items())
    ]
    for model, version in sorted(roster.desired.items()):
        loaded = roster.live.get(model)
        if loaded is None or loaded.version != version:
            reason = roster.failed.get(model, "")
            state = "UNAVAILABLE" if reason else "LOADING"
            rows.append({"name": model, "version": str(version.version), "state": state, "reason": reason})
    return _document(rows)


def _model(roster: Roster, names: Names) -> http.Answer:
    loaded = roster.find(names["model"], names.get("version"))
    return _document(model_metadata(loaded.schema, loaded.version.version))


def _model_ready(roster: Roster, names: Names) -> http.Answer:
    model, version = names["model"], names.get("version")
    if model in roster.desired and model not in roster.live and version is None:
        return _document({"name": model, "ready": False}, 503)
    roster.find(model, version)
    return _document({"name": model, "ready": True})


def _document(document: Any, status: int = 200) -> http.Answer:
    return status, encode(document), {}


def _of_model(route: Route) -> Iterator[Route]:
    """Route below ``/v2/models/{model}``, and the same of one version by its number."""
    for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        yield Route(base + route.pattern, route.methods, route.answer, route.form)


ROUTES: tuple[Route, ...] = (
    *_of_model(Route("/infer", ("POST",), form=TENSORS)),
    *_of_model(Route("/predict", ("POST",), form=RECORDS)),
    *_of_model(Route("", ("GET",), _model)),
    *_of_model(Route("/ready", ("GET",), _model_ready)),
    Route("/v2", ("GET",), _server),
    Route("/v2/health/live", ("GET",), _live),
    Route("/v2/health/ready", ("GET",), _ready),
    Route("/v2/repository/index", ("GET", "POST"), _index),
)
_PATTERNS = tuple((route, tuple(route.pattern.split("/")[1:])) for route in ROUTES)
