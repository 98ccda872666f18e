"""Versions in use under the environment that runs the command, and under that of a daemon's start."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pilothouse.cli.group import cli
from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.inference.safe_format import scikit_learn_here
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits, doctor, upgrades
from pilothouse.store.models import portable_models
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[SmallWorkspace]:
    """A workspace with a live version, without a daemon."""
    made = make_small_workspace(tmp_path / "w")
    control.start_in_background(made.root, serve_targets=False)
    try:
        job = made.ended(made.train().id)
        assert job.status is JobStatus.SUCCEEDED, job.error
        request = promotions.request_promotion(made.services, made.scientist, "delay/1")
        promotions.approve(made.services, made.approver, request.id, request.evidence_digest)
        control.stop(made.root)
        yield made
    finally:
        control.stop(made.root)
        made.services.close()


def without_portable_form(made: SmallWorkspace) -> None:
    form = PortableForm(None, 0, "made by an earlier release", 0, {"scikit-learn": scikit_learn_here()})
    with made.services.registry.transaction() as connection:
        portable_models.add(connection, 1, 1, form, at=made.services.now())


def check(made: SmallWorkspace) -> tuple[int, list[dict[str, object]]]:
    done = CliRunner().invoke(
        cli, ["-w", str(made.root), "upgrade", "--check", "--json"], standalone_mode=False
    )
    assert done.exception is None, done.exception
    return done.return_value, json.loads(done.stdout)


def finding(made: SmallWorkspace, name: str) -> str:
    return next(f.finding for f in doctor.diagnose(made.services, made.admin) if f.check == name)


def test_live_versions_are_checked_converted_and_looked_at_when_the_release_changes(
    live: SmallWorkspace,
) -> None:
    code, (found,) = check(live)
    assert (code, found["outcome"], found["place"], found["live"]) == (0, "stays", "live on ewr", True)
    assert str(found["finding"]).startswith("portable: answers bit for bit")
    assert (
        finding(live, "scikit-learn") == f"{scikit_learn_here()} here; no live version is tied to a release"
    )

    without_portable_form(live)
    line = ".".join(scikit_learn_here().split(".")[:2])
    assert finding(live, "scikit-learn") == f"{scikit_learn_here()} here; 1 live version tied to {line}.x"
    code, (found,) = check(live)
    assert (code, found["outcome"]) == (0, "stays")
    assert str(found["finding"]).startswith(
        f"tied to scikit-learn {scikit_learn_here()}: answers bit for bit"
    )
    with upgrades.trials(live.services.paths) as tries:
        (conversion,) = upgrades.convert(live.services, live.admin, tries)
        assert (conversion.converted, conversion.place) == (True, "live on ewr")
        assert conversion.finding.startswith("portable: equal to the bit on 1")
        assert list(upgrades.convert(live.services, live.admin, tries)) == []
    (entry,) = audits.show(live.services, live.admin, text="version.converted")
    assert (entry.subject, entry.actor) == ("models:/delay/1", "ada")

    # the next start is under another release, by what the last one left
    live.services.paths.libraries.write_text('{"scikit-learn": "1.2.3"}')
    with live.services.registry.read() as connection:
        digest = connection.execute("SELECT predictions_digest FROM versions").fetchone()[0]
    stored = live.services.artifacts.path(digest)
    stored.chmod(0o600)
    stored.write_bytes(b"damaged")
    dry = CliRunner().invoke(cli, ["-w", str(live.root), "upgrade"], standalone_mode=False)
    assert dry.stdout.startswith("CHANGES  delay/1 (live on ewr): ")
    assert "nothing was written; to upgrade:" in dry.stderr
    printed = CliRunner().invoke(cli, ["-w", str(live.root), "upgrade", "--check"], standalone_mode=False)
    assert printed.stdout.startswith("CHANGES  delay/1 (live on ewr): ")
    code, (damaged,) = check(live)
    assert (code, damaged["outcome"]) == (1, "fails")
    control.start_in_background(live.root, serve_targets=False)

    def said() -> bool:
        return (
            f"scikit-learn was 1.2.3, now {scikit_learn_here()}: 0 of 1"
            in live.services.paths.daemon_log.read_text()
        )

    wait_until(said, timeout=30)
    (newest, *_) = audits.show(live.services, live.admin, text="daemon.upgraded")
    assert (newest.detail["before"], newest.detail["checked"]) == ("1.2.3", 1)
    assert list(newest.detail["changed"]) == ["models:/delay/1"]
    assert json.loads(live.services.paths.libraries.read_text()) == {"scikit-learn": scikit_learn_here()}
