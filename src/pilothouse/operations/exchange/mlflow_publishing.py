"""Versions sent to MLflow's tracking server: run, files, registered version, aliases. Sent again, nothing is doubled.

What is there is found by two tags, the version's URI and the sha256 of its model file. A run that has not ended is one on which
an export was cut off: it is completed. An alias is moved only on a registered model that an export has made, by its tag.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.interop.mlflow_records import DIGEST_TAG, MODEL_TAG, VERSION_TAG, MlflowRecords, records_of
from pilothouse.operations.authorisation import authorise, changing, reading
from pilothouse.operations.catalogue import require_model, require_run, require_version
from pilothouse.operations.exchange.logged import logged
from pilothouse.operations.exchange.logged_files import logged_files
from pilothouse.operations.exchange.mlflow_exports import MlflowExport
from pilothouse.operations.exchange.tracking_server import TrackingServer
from pilothouse.operations.exchange.version_exports import EXPORTED, digests_of
from pilothouse.operations.services import Services
from pilothouse.store.promotion import requests

FOLDER = "model"
_ALIASES = frozenset({"champion", "challenger"})
"""Those that this program gives: one that somebody has set over there is theirs."""
SENT = "version.sent"
_LONGEST_NAME = 200
_RUN = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Form of a run's id, which is printed and stands in addresses."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Published:
    """Where a version is now. ``aliases``: those that were set; ``dropped``: those that were taken away."""

    address: str
    name: str
    number: str
    run: str
    is_new: bool
    aliases: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    is_ours: bool = True
    """False where the registered model was there before, made by somebody else: its aliases stay as they are."""


def check(services: Services, actor: Actor, reference: str, name: str) -> None:
    """Raise NotAllowedError, NotFoundError or InvalidInputError where a version cannot be sent under the name."""
    with reading(services, actor) as connection:
        model = require_version(connection, reference).model
    authorise(services, actor, Permission.EXPORT, model)
    if name and (len(name) > _LONGEST_NAME or not name.isprintable() or set(name) & set("/:.%\"'`\\")):
        raise InvalidInputError(
            f"{safe(name, 80)!r}: expected a name of {_LONGEST_NAME} characters at most, without / : . % and quotation marks"
        )


def publish(
    services: Services,
    actor: Actor,
    export: MlflowExport,
    server: TrackingServer,
    name: str = "",
    tell: Tell | None = None,
) -> Published:
    """Send a version. Raises PilothouseError; what was sent before stays there, and is completed by the next export."""
    uri = version_uri(export.model, export.version)
    check(services, actor, uri, name)
    name = name or export.model
    with reading(services, actor) as connection:
        model, version = require_model(connection, export.model), require_version(connection, uri)
        run, asked = require_run(connection, version), requests.of_version(connection, version.id)
    told = records_of(version, run, asked, logged(services, actor, uri))
    with logged_files(services, actor, uri, told.prefixes, FOLDER) as more:
        facts: dict[str, Any] = {
            "form": "mlflow",
            "files": digests_of(export.files),
            "differing": export.differing,
            "to": server.address,
            "name": name,
            **({"logged_files": len(more.files), "logged_sha256": more.digest} if more.files else {}),
        }
        with changing(services, actor, Permission.EXPORT, export.model) as change:
            change.record(EXPORTED, uri, facts)
        files: dict[str, Callable[[], bytes]] = {
            **{f"{FOLDER}/{file}": partial(bytes, data) for file, data in export.files.items()},
            **more.files,
        }
        steps = _Steps(tell, len(files) + 4)
        experiment = server.experiment(name)
        steps.done()
        there = _sent_run(server, experiment, told, files, steps)
    found = server.find_model(name)
    if found is None:
        server.make_model(name, model.description, {MODEL_TAG: export.model})
        found = server.find_model(name) or {}
    steps.done()
    registered = server.find_version(name, there)
    if registered is None:
        number = server.make_version(
            name, there, f"runs:/{there}/{FOLDER}", told.tags, f"{uri} of Pilothouse"
        )
    else:
        number = str(registered.get("version", ""))
        before = _tags(registered)
        for key, value in told.tags.items():
            if before.get(key) != value:
                server.set_tag(name, number, key, value)
    is_ours = _tags(found).get(MODEL_TAG) == export.model
    aliases, dropped = _aliases(server, found, number, version.aliases) if is_ours else ((), ())
    steps.done()
    done = Published(server.address, name, number, there, registered is None, aliases, dropped, is_ours)
    with changing(services, actor, Permission.EXPORT, export.model) as change:
        facts = {"to": server.address, "name": name, "number": number, "run": there, "new": done.is_new}
        change.record(SENT, uri, {**facts, "aliases": list(aliases), "dropped": list(dropped)})
    return done


def _sent_run(
    server: TrackingServer,
    experiment: str,
    told: MlflowRecords,
    files: Mapping[str, Callable[[], bytes]],
    steps: "_Steps",
) -> str:
    """Id of the run that says all of the version, with its files by their paths, each with what reads it."""
    ours = {VERSION_TAG: told.uri, DIGEST_TAG: told.digest}
    run = server.find_run(experiment, ours) or server.make_run(
        experiment, told.run_name, told.started_ms, told.run_tags
    )
    info = run.get("info")
    plain: Mapping[str, Any] = info if isinstance(info, dict) else {}
    number, place = str(plain.get("run_id", "")), str(plain.get("artifact_uri", ""))
    if not _RUN.fullmatch(number):
        raise UnavailableError(f"{server.address} named a run without an id: is it a tracking server?")
    server.check_served(place)
    is_whole = plain.get("status") == "FINISHED"
    if not is_whole:
        server.log(number, told.parameters, told.metrics, told.data_sets, told.logged_tags)
    steps.done()
    for name, read in files.items():
        if not is_whole:
            server.put_file(place, name, read())
        steps.done()
    if not is_whole:
        server.end_run(number, told.ended_ms)
    return number


def _aliases(
    server: TrackingServer, model: Mapping[str, Any], number: str, ours: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Set the aliases that the version has here, and take away those that it has there alone."""
    name = str(model.get("name", ""))
    listed = model.get("aliases")
    there = {
        str(one.get("alias")): str(one.get("version"))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }
    missing = tuple(alias for alias in ours if there.get(alias) != number)
    stale = tuple(
        sorted(alias for alias, at in there.items() if at == number and alias in _ALIASES.difference(ours))
    )
    for alias in missing:
        server.set_alias(name, alias, number)
    for alias in stale:
        server.drop_alias(name, alias)
    return missing, stale


def _tags(plain: Mapping[str, Any]) -> dict[str, str]:
    listed = plain.get("tags")
    return {
        str(one.get("key")): str(one.get("value"))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }


class _Steps:
    """Steps of an export, counted for whoever watches."""

    def __init__(self, tell: Tell | None, total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def done(self) -> None:
        """One more is done."""
        self._done += 1
        if self._tell is not None:
            self._tell(self._done, self._total)
