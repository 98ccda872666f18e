"""Routes of a serving process as a table: path, methods, and what answers. ``GET /openapi.json`` describes them.

A trailing slash is taken too, and HEAD wherever GET is. ``/v2`` is the Open Inference Protocol with Triton's extensions, and
plain records (``predict``); ``/invocations``, ``/ping`` and ``/version`` are as MLflow's scoring server has them; ``/v1`` is
version 1 of KServe's protocol.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pilothouse import __version__
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats import openmetrics as metrics_format
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.serving.bodies.forms import INVOCATIONS, RECORDS, TENSORS, header_of
from pilothouse.serving.bodies.protocol import encode, model_metadata, server_metadata
from pilothouse.serving.pages import metrics_page, schemas
from pilothouse.serving.pages.openapi import description
from pilothouse.serving.pages.route import Answering, Asked, Names, Route
from pilothouse.serving.pages.triton_documents import model_config, statistics
from pilothouse.serving.versions.live_versions import LoadedTrial, LoadedVersion, Roster
from pilothouse.serving.web import http

_PLAIN = "text/plain; charset=utf-8"


def find(path: str) -> tuple[Route, Names]:
    """Route of a path, and the parts that its pattern leaves open. Raises NotFoundError."""
    found = _find(path)
    if found is None:
        raise NotFoundError(f"there is nothing at {one_line(path, 120)}; see GET /v2 and /openapi.json")
    return found


def check_method(route: Route, method: str) -> None:
    """Raise HttpError 405 for a method that the route does not take."""
    if method not in route.methods:
        expected = ", ".join(route.methods)
        raise http.HttpError(
            405, f"{one_line(method, 20)} is not taken here; expected {expected}", {"allow": expected}
        )


def version_asked(roster: Roster, names: Names) -> LoadedVersion | LoadedTrial:
    """Version that a path of predictions names; where it names no model, that of the only one. It is a trial's where there is
    one and no version is named. Raises NotFoundError or UnavailableError."""
    if "model" in names:
        loaded = roster.find(names["model"], names.get("version"))
        if roster.trials and "version" not in names:
            return roster.trials.get(names["model"], loaded)
        return loaded
    only = roster.only()
    if only is not None:
        return roster.trials.get(only.version.model, only)
    if len(roster.desired) == 1 or not roster.known:
        return roster.find(next(iter(roster.desired), ""), None)
    served = ", ".join(sorted(roster.desired)) or "none"
    raise NotFoundError(
        f"this target serves {len(roster.desired)} models, so the path has to name one: "
        f"/v2/models/MODEL/invocations; served: {served}"
    )


@lru_cache(maxsize=256)
def _find(path: str) -> tuple[Route, Names] | None:
    if path[:1] != "/":
        return None
    parts = path.rstrip("/").split("/")[1:]
    for route, pattern in _PATTERNS:
        if len(pattern) == len(parts):
            names: dict[str, str] = {}
            for expected, part in zip(pattern, parts, strict=True):
                if expected[:1] != "{":
                    if expected != part:
                        break
                    continue
                name, _, ending = expected[1:].partition("}")
                if not part.endswith(ending):
                    break
                names[name] = part.removesuffix(ending)
            else:
                return route, names
    return None


def _server(_: Asked) -> http.Answer:
    return _document(server_metadata())


def _live(_: Asked) -> http.Answer:
    return _document({"live": True})


def _alive(_: Asked) -> http.Answer:
    return _document({"status": "alive"})


def _ready(asked: Asked) -> http.Answer:
    return _document({"ready": asked.roster.ready}, 200 if asked.roster.ready else 503)


def _index(asked: Asked) -> http.Answer:
    """Every version that answers, and every desired one that is not live yet, with the reason."""
    roster = asked.roster
    rows = [
        {"name": model, "version": str(loaded.version.version), "state": "READY", "reason": ""}
        for model in sorted(roster.live)
        for loaded in roster.loaded(model)
    ]
    for model, version in sorted(roster.desired.items()):
        loaded = roster.live.get(model)
        if loaded is None or loaded.version != version:
            reason = roster.failed.get(model, "")
            state = "UNAVAILABLE" if reason else "LOADING"
            rows.append({"name": model, "version": str(version.version), "state": state, "reason": reason})
    return _document(rows)


def _model(asked: Asked) -> http.Answer:
    loaded = asked.loaded()
    return _document(model_metadata(loaded.schema, asked.numbers(), portable=loaded.predictor.portable))


def _model_ready(asked: Asked) -> http.Answer:
    roster, model, version = asked.roster, asked.names["model"], asked.names.get("version")
    if model in roster.desired and model not in roster.live and version is None:
        return _document({"name": model, "ready": False}, 503)
    roster.find(model, version)
    return _document({"name": model, "ready": True})


def _config(asked: Asked) -> http.Answer:
    return _document(model_config(asked.loaded(), asked.numbers()))


def _stats(asked: Asked) -> http.Answer:
    loaded = asked.loaded()
    versions = [loaded] if "version" in asked.names else asked.roster.loaded(loaded.version.model)
    return _document(statistics(versions, asked.standing().traffic))


def _all_stats(asked: Asked) -> http.Answer:
    loaded = [one for model in sorted(asked.roster.live) for one in asked.roster.loaded(model)]
    return _document(statistics(loaded, asked.standing().traffic))


def _models(asked: Asked) -> http.Answer:
    return _document({"models": sorted(asked.roster.live)})


def _ping(asked: Asked) -> http.Answer:
    return (200 if asked.roster.ready else 503), b"\n", {"content-type": _PLAIN}


def _version(_: Asked) -> http.Answer:
    return 200, __version__.encode(), {"content-type": _PLAIN}


def _metrics(asked: Asked) -> http.Answer:
    openmetrics = metrics_format.wants_openmetrics(header_of(asked.headers, b"accept"))
    kind = metrics_format.OPENMETRICS if openmetrics else metrics_format.TEXT
    body = metrics_page.metrics_page(asked.roster, asked.standing(), openmetrics=openmetrics)
    return 200, body, {"content-type": kind, "vary": "accept"}


def _description(asked: Asked) -> http.Answer:
    """Description of the versions that are live; made once for them, for it takes milliseconds a model."""
    secured = asked.standing().secured
    roster, was_secured, body = _described[0]
    if roster is not asked.roster or was_secured != secured:
        body = encode(description(ROUTES, asked))
        _described[0] = asked.roster, secured, body
    return 200, body, {}


_described: list[tuple[Roster | None, bool, bytes]] = [(None, False, b"")]
"""The last description, and what it was made for."""


def _not_loaded_here(_: Asked) -> http.Answer:
    raise http.HttpError(
        403,
        "models are loaded and unloaded by promotions and roll-backs (pilothouse promote), not by clients",
    )


def _nothing_shared(_: Asked) -> http.Answer:
    return _document([])


def _no_region(asked: Asked) -> http.Answer:
    raise http.HttpError(
        400, f"there is no shared memory region {one_line(asked.names['region'], 80)}: none is taken here"
    )


def _not_shared(_: Asked) -> http.Answer:
    raise http.HttpError(400, "shared memory is not taken here; send the tensors in the body")


def _none_left(_: Asked) -> http.Answer:
    """Answer to a client that wants no region to be registered, as none is."""
    return 200, b"", {}


def _document(document: Any, status: int = 200) -> http.Answer:
    return status, encode(document), {}


_GET, _POST = ("GET", "HEAD"), ("POST",)
_REFUSALS = (411, 413, 414, 415)


def _of_model(route: Route) -> Iterator[Route]:
    """Route below ``/v2/models/{model}``, and the same of one version by its number."""
    for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        yield replace(route, pattern=base + route.pattern)


def _get(pattern: str, answer: Answering, summary: str, response: Any = None, **more: Any) -> Route:
    return Route(pattern, _GET, answer, summary=summary, response=response, **more)


_INVOKED = Route(
    "/invocations",
    _POST,
    form=INVOCATIONS,
    summary="Predictions, as MLflow's scoring server is asked",
    response=schemas.predictions,
    bodies=schemas.invocation_bodies,
    failures=_REFUSALS,
)
ROUTES: tuple[Route, ...] = (
    *_of_model(
        Route(
            "/infer",
            _POST,
            form=TENSORS,
            summary="Predictions by the Open Inference Protocol",
            response=schemas.tensors_answer,
            is_binary_too=True,
            bodies=schemas.tensors_bodies,
            failures=_REFUSALS,
        )
    ),
    *_of_model(
        Route(
            "/predict",
            _POST,
            form=RECORDS,
            summary="Predictions of plain records",
            response=schemas.records_answer,
            bodies=schemas.records_bodies,
            failures=_REFUSALS,
        )
    ),
    *_of_model(_INVOKED),
    _INVOKED,
    Route(
        "/v1/models/{model}:predict",
        _POST,
        form=INVOCATIONS,
        summary="Predictions by version 1 of KServe's protocol",
        response=schemas.predictions,
        bodies=schemas.instances_bodies,
        failures=_REFUSALS,
    ),
    _get("/v2/models/stats", _all_stats, "Statistics of every version that answers", schemas.statistics),
    *_of_model(_get("", _model, "Inputs, outputs and classes", schemas.metadata)),
    *_of_model(_get("/ready", _model_ready, "Whether the model answers", schemas.model_ready, open=True)),
    *_of_model(_get("/config", _config, "Configuration, as Triton gives it", schemas.config)),
    *_of_model(_get("/stats", _stats, "Statistics, as Triton gives them", schemas.statistics)),
    _get("/", _alive, "Whether the process runs, as KServe's first protocol asks", schemas.alive, open=True),
    _get("/v2", _server, "The server", schemas.server),
    _get("/v2/health/live", _live, "Whether the process runs", schemas.live, open=True),
    _get("/v2/health/ready", _ready, "Whether every deployed model answers", schemas.ready, open=True),
    Route(
        "/v2/repository/index",
        (*_GET, "POST"),
        _index,
        summary="Every model and version with its state",
        response=schemas.index,
    ),
    Route("/v2/repository/models/{model}/load", _POST, _not_loaded_here),
    Route("/v2/repository/models/{model}/unload", _POST, _not_loaded_here),
    *(
        route
        for kind in ("system", "cuda")
        for route in (
            _get(
                f"/v2/{kind}sharedmemory/status",
                _nothing_shared,
                "Shared memory: none",
                schemas.nothing_shared,
            ),
            Route(f"/v2/{kind}sharedmemory/region/{{region}}/status", _GET, _no_region),
            Route(f"/v2/{kind}sharedmemory/region/{{region}}/register", _POST, _not_shared),
            Route(f"/v2/{kind}sharedmemory/region/{{region}}/unregister", _POST, _none_left),
            Route(f"/v2/{kind}sharedmemory/unregister", _POST, _none_left),
        )
    ),
    _get("/v1/models", _models, "Names of the live models", schemas.models),
    _get("/v1/models/{model}", _model_ready, "Whether the model answers", schemas.model_ready, open=True),
    _get("/ping", _ping, "Whether every deployed model answers", open=True, media="text/plain"),
    _get("/health", _ping, "Whether every deployed model answers", open=True, media="text/plain"),
    _get("/version", _version, "Release of the server", media="text/plain"),
    _get("/metrics", _metrics, "Metrics for Prometheus", media="text/plain"),
    _get("/openapi.json", _description, "This description"),
)
_PATTERNS = tuple((route, tuple(route.pattern.rstrip("/").split("/")[1:])) for route in ROUTES)
