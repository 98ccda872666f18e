"""MLflow's tracking server, written to by its REST API through the one client by which everything leaves.

The API: https://mlflow.org/docs/latest/api_reference/rest-api.html, tried against MLflow 3.17.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError, UnavailableError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.safe_text import one_line, safe
from pilothouse.foreign.http_client import checked_address, message_of
from pilothouse.foreign.tracking_access import ADVICE, UNTRUSTED, access
from pilothouse.sending.http_post import NO_REDIRECT, Answer, Bounds, NotSentError, NotTrustedError, ask

_API = "/api/2.0/mlflow"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_SERVED = "mlflow-artifacts"
_LARGEST_ANSWER = 16 << 20
_PATIENCE_S = 60.0
_FILE_WITHIN_S = 1_800.0
_MOST_PARAMETERS = _MOST_TAGS = 100
_MOST_METRICS = 1_000

Points = Sequence[tuple[str, float | str, int, int]]
DataSets = Sequence[tuple[Mapping[str, str], Mapping[str, str]]]
"""Data sets, each with its tags."""


class TrackingServer:
    """Tracking server at ``http://…`` or ``https://…``. Its host may be reached wherever it is: a person has named it.

    Methods raise InvalidInputError or UnavailableError with what the server says, NotAllowedError where it wants credentials,
    which come from the environment by MLflow's own names.
    """

    def __init__(self, uri: str, environment: Mapping[str, str] | None = None) -> None:
        parts = checked_address(uri)
        self._host = parts.hostname or ""
        self._netloc = parts.netloc
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._access = access(os.environ if environment is None else environment)

    def experiment(self, name: str) -> str:
        """Id of the experiment of a name, made where there is none. Its files lie with the server."""
        try:
            plain = _mapping(self._get("experiments/get-by-name", {"experiment_name": name}), "experiment")
        except NotFoundError:
            self._send("experiments/create", {"name": name})
            plain = _mapping(self._get("experiments/get-by-name", {"experiment_name": name}), "experiment")
        if plain.get("lifecycle_stage") == "deleted":
            raise InvalidInputError(
                f"{self.address}: the experiment {safe(name, 80)!r} is deleted there: restore it, or give another --name"
            )
        self.check_served(str(plain.get("artifact_location", "")))
        return str(plain.get("experiment_id", ""))

    def find_run(self, experiment: str, tags: Mapping[str, str]) -> dict[str, Any] | None:
        """Oldest run of an experiment that has these tags."""
        wanted = " and ".join(f"tags.\"{name}\" = '{value}'" for name, value in tags.items())
        body = {
            "experiment_ids": [experiment],
            "filter": wanted,
            "order_by": ["attributes.start_time ASC"],
            "max_results": 1,
        }
        runs = self._send("runs/search", body).get("runs")
        return dict(runs[0]) if isinstance(runs, list) and runs and isinstance(runs[0], dict) else None

    def make_run(
        self, experiment: str, name: str, started_ms: int, tags: Mapping[str, str]
    ) -> dict[str, Any]:
        """A new run, which has not ended."""
        body = {
            "experiment_id": experiment,
            "run_name": name,
            "start_time": started_ms,
            "tags": _pairs(tags),
        }
        return _mapping(self._send("runs/create", body), "run")

    def log(
        self,
        run: str,
        parameters: Mapping[str, str],
        metrics: Points,
        data_sets: DataSets,
        tags: Mapping[str, str],
    ) -> None:
        """What a run says. Twice is as good as once: the server takes an equal parameter, point or data set as the one that it
        has."""
        given = _pairs(parameters)
        for start in range(0, len(given), _MOST_PARAMETERS):
            self._send("runs/log-batch", {"run_id": run, "params": given[start : start + _MOST_PARAMETERS]})
        for start in range(0, len(metrics), _MOST_METRICS):
            points = [
                {"key": key, "value": value, "timestamp": at, "step": step}
                for key, value, at, step in metrics[start : start + _MOST_METRICS]
            ]
            self._send("runs/log-batch", {"run_id": run, "metrics": points})
        labels = _pairs(tags)
        for start in range(0, len(labels), _MOST_TAGS):
            self._send("runs/log-batch", {"run_id": run, "tags": labels[start : start + _MOST_TAGS]})
        inputs = [{"tags": _pairs(of_set), "dataset": dict(data)} for data, of_set in data_sets]
        self._send("runs/log-inputs", {"run_id": run, "datasets": inputs})

    def end_run(self, run: str, ended_ms: int) -> None:
        """The run is whole."""
        self._send("runs/update", {"run_id": run, "status": "FINISHED", "end_time": ended_ms})

    def check_served(self, place: str) -> None:
        """Raise InvalidInputError where files do not lie with the server: nothing but it is written to."""
        parts = urlsplit(place)
        if parts.scheme != _SERVED or parts.netloc not in ("", self._netloc):
            raise InvalidInputError(
                f"{self.address} keeps its files at {safe(place, 100)}, not with itself: expected a server that serves its "
                "artifacts (mlflow server --serve-artifacts with an experiment made under it)"
            )

    def put_file(self, place: str, name: str, data: bytes) -> None:
        """Put a file into a run's folder. ``place``: as the run names it."""
        self.check_served(place)
        folder = urlsplit(place).path.strip("/")
        path = f"{_FILES}/{quote(f'{folder}/{name}')}"
        self._asked("PUT", path, data, "application/octet-stream", _FILE_WITHIN_S)

    def find_model(self, name: str) -> dict[str, Any] | None:
        """Registered model of a name."""
        try:
            return _mapping(self._get("registered-models/get", {"name": name}), "registered_model")
        except NotFoundError:
            return None

    def make_model(self, name: str, description: str, tags: Mapping[str, str]) -> None:
        """A new registered model."""
        self._send(
            "registered-models/create", {"name": name, "description": description, "tags": _pairs(tags)}
        )

    def find_version(self, name: str, run: str) -> dict[str, Any] | None:
        """Version of a registered model that is made of a run."""
        # the server takes no name with quotation marks; that of a model of ours has none
        query = {"filter": f"name = '{name}' and run_id = '{run}'", "max_results": "1"}
        found = self._get("model-versions/search", query).get("model_versions")
        if not isinstance(found, list) or not found:
            return None
        version = found[0] if isinstance(found[0], dict) else {}
        return {**version, "version": self._number_of(version)}

    def make_version(
        self, name: str, run: str, source: str, tags: Mapping[str, str], description: str
    ) -> str:
        """Number of a new version of a registered model."""
        body = {
            "name": name,
            "source": source,
            "run_id": run,
            "tags": _pairs(tags),
            "description": description,
        }
        return self._number_of(_mapping(self._send("model-versions/create", body), "model_version"))

    def _number_of(self, version: Mapping[str, Any]) -> str:
        number = str(version.get("version", ""))
        if not (number.isascii() and number.isdigit()):
            raise UnavailableError(
                f"{self.address} named a version without a number: is it a tracking server?"
            )
        return number

    def set_tag(self, name: str, number: str, key: str, value: str) -> None:
        """A tag of a version."""
        self._send("model-versions/set-tag", {"name": name, "version": number, "key": key, "value": value})

    def set_alias(self, name: str, alias: str, number: str) -> None:
        """An alias of a registered model, set or moved."""
        self._send("registered-models/alias", {"name": name, "alias": alias, "version": number})

    def drop_alias(self, name: str, alias: str) -> None:
        """An alias of a registered model, taken away."""
        self._send("registered-models/alias", {"name": name, "alias": alias}, "DELETE")

    def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._asked("GET", f"{_API}/{path}?{urlencode(query)}", None)

    def _send(self, path: str, body: Mapping[str, Any], method: str = "POST") -> dict[str, Any]:
        return self._asked(method, f"{_API}/{path}", json.dumps(body).encode())

    def _asked(
        self,
        method: str,
        path: str,
        data: bytes | None,
        kind: str = "application/json",
        within_s: float = 2 * _PATIENCE_S,
    ) -> dict[str, Any]:
        bounds = Bounds(
            allow=(self._host,),
            ca_file=self._access.ca_file,
            timeout_s=_PATIENCE_S,
            within_s=within_s,
            longest=_LARGEST_ANSWER,
            reads_success=True,
        )
        headers = {**self._access.headers, **({"Content-Type": kind} if data is not None else {})}
        try:
            answer = ask(f"{self.address}{path}", data, headers, bounds, method)
        except NotSentError as error:
            more = f"; {UNTRUSTED}" if isinstance(error, NotTrustedError) else ""
            raise UnavailableError(f"{self.address}: {one_line(str(error), 200)}{more}") from None
        where = f"{self.address}{path.partition('?')[0]}"
        if not 200 <= answer.status < 300:
            raise _refused(where, answer)
        try:
            plain = parse_json(answer.said or b"{}")
        except JsonError as error:
            raise UnavailableError(
                f"{where} answered what is no JSON ({error}): is it a tracking server?"
            ) from None
        if not isinstance(plain, dict):
            raise UnavailableError(f"{where} answered no JSON object: is it a tracking server?")
        return plain


def _refused(where: str, answer: Answer) -> Exception:
    said = message_of(answer.said)
    text = f"{where} answered {answer.status}{': ' + said if said else ''}"
    if 300 <= answer.status < 400:
        return UnavailableError(f"{text}: {NO_REDIRECT}")
    if answer.status in (401, 403):
        return NotAllowedError(f"{text}: {ADVICE}")
    # without a message of its own it knows no such address, and is no such server
    return NotFoundError(text) if answer.status == 404 and said else UnavailableError(text)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _mapping(plain: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = plain.get(name)
    return found if isinstance(found, dict) else {}
