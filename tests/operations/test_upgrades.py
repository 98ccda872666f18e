"""Versions in use whose scikit-learn is another: what doctor says, and what cannot be tried."""

from dataclasses import replace
from pathlib import Path

from pilothouse.domain.doctor import Finding
from pilothouse.domain.models.upgrade import Outcome, judged, release_line
from pilothouse.inference.safe_format import scikit_learn_here
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import doctor, upgrades
from support.job_workspace import ADMIN, APPROVER, SCIENTIST, actor, applied, trained


def make_live(services: Services, **packages: str) -> None:
    """A live version that was trained with these packages, without a portable form."""
    trained(services, evaluate={"packages": packages})
    request = promotions.request_promotion(services, actor(services, SCIENTIST), "demo/1")
    promotions.approve(services, actor(services, APPROVER), request.id, request.evidence_digest)


def line(services: Services, check: str = "scikit-learn") -> Finding:
    return next(f for f in doctor.diagnose(services, actor(services, ADMIN)) if f.check == check)


def test_doctor_says_how_many_live_versions_are_tied_to_another_release(tmp_path: Path) -> None:
    services = applied(tmp_path)
    assert line(services).finding == f"{scikit_learn_here()} here; no live version is tied to a release"
    make_live(services, **{"scikit-learn": "1.2.3"})
    assert line(services) == Finding(
        "scikit-learn",
        True,
        f"{scikit_learn_here()} here; 1 live version tied to 1.2.x, which is another: "
        "pilothouse upgrade --check says what it does here",
    )
    assert line(services, "portable").finding == (
        "0 of 1 live versions have a portable form; demo/1 is of a release without portable forms; "
        "pilothouse upgrade --convert makes those of earlier releases"
    )


def test_what_cannot_be_tried_is_said_and_counts_as_a_change(tmp_path: Path) -> None:
    services = applied(tmp_path)
    make_live(services, **{"scikit-learn": "1.2.3"})
    (version,), _ = upgrades.versions_as_they_are(services.paths)
    with upgrades.trials(services.paths) as tries:
        (lacking,) = upgrades.check(tries, [replace(version, holdout_digest="")])
        services.artifacts.path(version.model_digest).unlink()
        (missing,) = upgrades.check(tries, [version])
    assert lacking.changes
    assert (lacking.outcome, lacking.finding) == (
        Outcome.NOT_CHECKED,
        "tied to scikit-learn 1.2.3: not checked, for no sample of it is stored",
    )
    assert missing.outcome is Outcome.FAILS
    assert version.model_digest[:12] in missing.finding


def test_a_finding_names_form_release_and_reason() -> None:
    usual = {"form": "skops", "rows": 1_500, "written_with": "1.8.0", "scikit_learn": "1.9.1"}
    tied = "tied to scikit-learn 1.8.0"
    assert judged(usual, "") == (
        Outcome.STAYS,
        f"{tied}: answers bit for bit under 1.9.1, 1,500 rows",
    )
    differing = {**usual, "differing": 12, "largest": 0.004}
    assert judged(differing, "")[1] == f"{tied}: answers differ: 12 of 1,500 rows, largest 0.004"
    failing = {**usual, "fault": "no such type", "portable_fault": "damaged"}
    assert judged(failing, "") == (
        Outcome.FAILS,
        f"{tied}: does not answer under 1.9.1 (no such type; its portable form: damaged)",
    )
    assert judged({**usual, "rows": 0}, "")[0] is Outcome.NOT_CHECKED
    assert judged({**usual, "written_with": ""}, "1.7.2")[1].startswith("tied to scikit-learn 1.7.2: ")
    assert judged({**usual, "form": "portable"}, "") == (
        Outcome.STAYS,
        "portable: answers bit for bit, 1,500 rows",
    )
    assert [release_line(release) for release in ("1.8.0", "")] == [
        "1.8.x",
        "a release that is not on record",
    ]
