"""Description of a serving process in OpenAPI 3.1, made from the table of its routes and the schemas of its live versions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pilothouse import __version__
from pilothouse.serving.pages import schemas
from pilothouse.serving.pages.route import Asked, Route
from pilothouse.serving.versions.live_versions import LoadedVersion

_JSON = "application/json"
_ALWAYS = (400, 403, 404, 405, 408, 431, 500, 503)
"""Statuses of errors that every route may answer with."""


def description(routes: Sequence[Route], asked: Asked) -> dict[str, Any]:
    """Document of ``GET /openapi.json``. A route of models is described for each that is live, under its name and under the
    number of its version."""
    paths: dict[str, Any] = {}
    secured = asked.standing().secured
    for route in routes:
        if route.summary:
            for path, loaded in _places(route, asked):
                paths.setdefault(path, {}).update(_operations(route, path, loaded, secured))
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Pilothouse: predictions of a target", "version": __version__},
        "paths": paths,
        "components": {"schemas": {"Error": schemas.error()}},
    }
    if secured:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def _places(route: Route, asked: Asked) -> Iterator[tuple[str, LoadedVersion | None]]:
    if "{" not in route.pattern:
        only = asked.roster.only() if route.form is not None else None
        if route.form is None or only is not None:
            yield route.pattern, only
        return
    for model, loaded in sorted(asked.roster.live.items()):
        number = str(loaded.version.version)
        yield route.pattern.replace("{model}", model).replace("{version}", number), loaded


def _operations(route: Route, path: str, loaded: LoadedVersion | None, secured: bool) -> dict[str, Any]:
    return {
        method.lower(): _operation(route, method, path, loaded, secured)
        for method in route.methods
        if method != "HEAD"
    }


def _operation(
    route: Route, method: str, path: str, loaded: LoadedVersion | None, secured: bool
) -> dict[str, Any]:
    content: dict[str, Any] = {route.media: {"schema": route.response(loaded)} if route.response else {}}
    if route.bodies is not None and "text/csv" in _bodies(route, loaded) and route.media == _JSON:
        content["text/csv"] = {}
    if route.is_binary_too:
        content["application/octet-stream"] = {}
    failures = {*_ALWAYS, *route.failures, *((401,) if secured and not route.open else ())}
    operation: dict[str, Any] = {
        "operationId": _name(method, path),
        "summary": route.summary,
        "responses": {
            "200": {"description": "OK", "content": content},
            **{str(status): _failure(status, route, loaded) for status in sorted(failures)},
        },
    }
    if loaded is not None:
        operation["tags"] = [loaded.version.model]
    if route.bodies is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": schema} for media, schema in _bodies(route, loaded).items()},
        }
    if secured and not route.open:
        operation["security"] = [{"token": []}]
    return operation


def _bodies(route: Route, loaded: LoadedVersion | None) -> Mapping[str, schemas.Schema]:
    return route.bodies(loaded) if route.bodies is not None and loaded is not None else {}


def _failure(status: int, route: Route, loaded: LoadedVersion | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
    if status == 503 and route.open and route.response is not None:  # health says what it is in the same form
        schema = {"anyOf": [schema, route.response(loaded)]}
    return {"description": HTTPStatus(status).phrase, "content": {_JSON: {"schema": schema}}}


def _name(method: str, path: str) -> str:
    return f"{method.lower()}_{re.sub('[^A-Za-z0-9]+', '_', path).strip('_')}"
