"""Repositories of models, runs and versions on a real registry."""

import json
from pathlib import Path

import pytest

from pilothouse.domain.identifiers import VersionReference
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.store.models import models, versions
from pilothouse.store.work import runs
from support.job_workspace import MODEL, SCIENTIST, actor, applied, trained, write_model


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return applied(tmp_path)


def test_every_specification_stays_readable_and_the_newest_is_in_force(services: Services) -> None:
    write_model(services.paths.root, MODEL.replace("seed = 7", "seed = 8"))
    apply_models.apply(services, actor(services, SCIENTIST))

    with services.registry.read() as connection:
        in_force = models.spec_in_force(connection, "demo")
        first, second = (models.spec_by_id(connection, number) for number in (1, 2))

    assert (first.spec["training"]["seed"], second.spec["training"]["seed"]) == (7, 8)
    assert in_force == second
    assert first.source == MODEL


def test_what_does_not_exist_is_none(services: Services) -> None:
    with services.registry.read() as connection:
        assert models.find(connection, "nothing") is None
        assert models.spec_in_force(connection, "nothing") is None
        assert versions.find(connection, VersionReference("demo")) is None
        assert versions.find(connection, VersionReference("demo", alias="champion")) is None
        assert runs.find(connection, 1) is None


def test_a_reference_finds_by_number_by_alias_and_the_newest(services: Services) -> None:
    trained(services, by_daemon=True)
    trained(services)

    with services.registry.read() as connection:
        found = [
            versions.find(connection, VersionReference("demo", 1)),
            versions.find(connection, VersionReference("demo", alias="challenger")),
            versions.find(connection, VersionReference("demo")),
        ]

    assert [version.number for version in found if version] == [1, 1, 2]
    assert found[0] is not None
    assert found[0].aliases == ("challenger",)


def test_every_artifact_that_the_registry_names_is_listed_once_and_stored(services: Services) -> None:
    trained(services)
    trained(services)

    with services.registry.read() as connection:
        listed = list(versions.artifact_digests(connection))

    assert len(listed) == len(set(listed))
    assert all(services.artifacts.has(digest) for digest in listed)
    assert set(listed) == set(services.artifacts.digests())


def test_a_run_keeps_its_spec_record_and_the_order_of_its_columns(services: Services) -> None:
    version = trained(services)

    with services.registry.read() as connection:
        spec = runs.spec_of(connection, version.run_id)
        record = runs.record_of(connection, version.run_id)
        schema = connection.execute("SELECT schema FROM snapshots").fetchone()["schema"]

    assert spec["training"]["seed"] == 7
    assert record["evaluate"]["latency_us"] == {"p50": 900.0, "p95": None}
    assert record["incumbents"] == []
    assert [name for name, _ in json.loads(schema)] == ["at", "distance", "carrier", "late"]
