"""Versions in use, read from a registry as it is."""

import sqlite3
from pathlib import Path

import pytest

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.operations.promotion import promotions
from pilothouse.store.models import portable_models, used_versions
from support.job_workspace import SCIENTIST, actor, applied, trained


def test_a_requested_version_is_in_use_and_one_that_nobody_asked_for_is_not(tmp_path: Path) -> None:
    services = applied(tmp_path)
    trained(services)
    trained(services)
    with used_versions.read_as_it_is(services.paths.registry) as (connection, _):
        assert used_versions.used_versions(connection) == []
    promotions.request_promotion(services, actor(services, SCIENTIST), "demo/2")
    form = PortableForm("a" * 64, 12, "", 10_400, {"scikit-learn": "1.9.1"})
    with services.registry.transaction() as connection:
        portable_models.add(connection, 1, 2, form, at=services.now())
    with used_versions.read_as_it_is(services.paths.registry) as (connection, _):
        (version,) = used_versions.used_versions(connection)
    assert (version.model, version.number, version.place, version.live_on) == ("demo", 2, "requested", ())
    assert version.portable_digest == form.digest
    assert version.holdout_digest
    assert version.spec["name"] == "demo"


def test_an_older_schema_is_read_and_left_as_it_is_and_a_newer_one_refused(tmp_path: Path) -> None:
    services = applied(tmp_path)
    path = services.paths.registry
    trained(services)
    promotions.request_promotion(services, actor(services, SCIENTIST), "demo/1")
    services.close()
    with sqlite3.connect(path) as connection:  # as a release before the portable forms left it
        connection.execute("DROP TABLE portable_models")
        connection.execute("PRAGMA user_version = 15")
    connection.close()
    with used_versions.read_as_it_is(path) as (opened, schema):
        (version,) = used_versions.used_versions(opened)
        with pytest.raises(Exception, match="readonly"):
            opened.execute("DELETE FROM versions")
    assert (schema, version.portable_digest) == (15, "")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (15,)
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UnavailableError, match="install a newer"), used_versions.read_as_it_is(path):
        pass
