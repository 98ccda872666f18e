"""Portable forms on record: the newest of a version counts, and none changes."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import ConflictError, IntegrityError, NotAllowedError
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.operations.jobs.step_records import portable_in
from pilothouse.operations.models.portable_forms import Converted, record_form
from pilothouse.operations.promotion import promotions
from pilothouse.store.log import audit
from pilothouse.store.models import portable_models, versions
from pilothouse.store.work.runs import RunFile
from support.job_workspace import ADMIN, APPROVER, SCIENTIST, actor, applied, trained

TIED = PortableForm(None, 0, "KNeighborsClassifier has no portable form", 0, {"scikit-learn": "1.9.1"})
EQUAL = PortableForm("a" * 64, 12_000, "", 10_400, {"scikit-learn": "1.9.1"})


def test_what_is_tied_says_to_which_release_and_why() -> None:
    assert TIED.tied == "tied to scikit-learn 1.9.x: KNeighborsClassifier has no portable form"
    assert EQUAL.tied == ""


def test_the_newest_form_of_a_version_counts_and_none_changes(tmp_path: Path) -> None:
    services = applied(tmp_path)
    trained(services)
    with services.registry.transaction() as connection:
        version = versions.find(connection, VersionReference("demo", 1))
        for form in (TIED, EQUAL):
            portable_models.add(connection, 1, version.id, form, at=services.now())
        assert versions.find(connection, VersionReference("demo", 1)).portable == EQUAL
        assert EQUAL.digest in set(versions.artifact_digests(connection))
    for change in ("UPDATE portable_models SET reason = 'other'", "DELETE FROM portable_models"):
        with pytest.raises(ConflictError, match="permanent"), services.registry.transaction() as connection:
            connection.execute(change)


def test_a_target_needs_scikit_learn_where_a_version_without_a_form_is_asked_for_or_live(
    tmp_path: Path,
) -> None:
    services = applied(tmp_path)
    trained(services)
    with services.registry.read() as connection:
        assert portable_models.targets_without(connection) == frozenset()
    request = promotions.request_promotion(services, actor(services, SCIENTIST), "demo/1")
    with services.registry.read() as connection:
        assert portable_models.targets_without(connection) == {"ewr", "jfk"}
    promotions.approve(services, actor(services, APPROVER), request.id, request.evidence_digest)
    with services.registry.transaction() as connection:
        assert portable_models.targets_without(connection) == {"ewr", "jfk"}
        portable_models.add(connection, 1, 1, EQUAL, at=services.now())
        assert portable_models.targets_without(connection) == frozenset()


def test_a_step_says_why_there_is_no_form_or_leaves_a_file() -> None:
    file = RunFile("portable", "b" * 64, 7)
    packages = {"scikit-learn": "1.9.1", "numpy": "2.4", "scipy": "1.17", "other": "1"}
    assert portable_in("evaluate", None, packages, None) is None
    made = portable_in("evaluate", {"reason": "", "rows": 5}, packages, file)
    assert made.digest == "b" * 64
    assert sorted(made.made_with) == ["numpy", "scikit-learn", "scipy"]
    for plain, given in (({"reason": "", "rows": 5}, None), ({"reason": "why", "rows": 5}, file), ([], file)):
        with pytest.raises(IntegrityError, match="portable"):
            portable_in("evaluate", plain, packages, given)


def test_a_version_of_an_earlier_release_is_converted_once_with_an_audit_row(tmp_path: Path) -> None:
    services = applied(tmp_path)
    trained(services)
    owner = actor(services, ADMIN)
    tied = Converted(None, "why", 0, {"scikit-learn": "1.8.0"})
    assert record_form(services, owner, "demo/1", tied).portable.tied == "tied to scikit-learn 1.8.x: why"
    made = record_form(services, owner, "demo/1", Converted(b"form", "", 5, {"scikit-learn": "1.9.1"}))
    assert services.artifacts.read(made.portable.digest) == b"form"
    with pytest.raises(ConflictError, match="has a portable form"):
        record_form(services, owner, "demo/1", tied)
    with pytest.raises(NotAllowedError):
        record_form(services, actor(services, SCIENTIST), "demo/1", tied)
    with services.registry.read() as connection:
        entry = audit.newest_of(connection, "version.converted")
    assert entry.subject == "models:/demo/1"
    assert entry.detail["portable_digest"] == made.portable.digest
