"""Workspaces of this machine, asked what they are."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace, schema_of
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.sites.addresses import read_address
from pilothouse.domain.sites.readings import Reading, Standing
from pilothouse.operations.workspace import workspaces
from pilothouse.sites import asking
from pilothouse.sites.asking import Site, ask
from pilothouse.sites.last_states import LastStates
from pilothouse.system.workspace_place import os_user
from support import older_registry
from support.site_values import MakeSite


def site(root: Path) -> Site:
    return Site(root.name, read_address(str(root)))


def test_a_workspace_says_its_figures_and_what_is_open(make_site: MakeSite) -> None:
    reading = ask(site(make_site("jfk")), Reading(site="jfk"))
    assert reading.standing is Standing.ANSWERS
    assert reading.answer is not None
    assert reading.figures is not None
    assert (reading.figures.alerts, reading.figures.frozen) == (1, "")
    assert [one.subject for one in reading.answer.items if one.kind == "alert"] == ["delay/1 on ewr"]
    assert "operator" in reading.answer.actor


def test_three_sites_are_shown_as_what_they_are(
    make_site: MakeSite, older_site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = make_site("ewr", frozen="moving house")
    gone = frozen.parent / "gone"
    code = failures.run(lambda: main.run(["--json", "site", "ask", str(frozen), str(older_site), str(gone)]))
    found = {one["site"]: one for one in json.loads(capsys.readouterr().out)}
    assert code == 7
    assert [found[name]["standing"] for name in ("ewr", "older", "gone")] == [
        "read-only",
        "older schema",
        "away",
    ]
    assert "moving house" in found["ewr"]["answer"]["figures"]["frozen"]
    assert f"schema {older_registry.BEFORE}" in found["older"]["said"]
    assert "is not a workspace" in found["gone"]["said"]


def test_an_older_registry_is_not_upgraded_by_asking(
    older_site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failures.run(lambda: main.run(["-w", str(older_site), "--json", "site", "state"])) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == older_registry.BEFORE
    assert schema_of(older_site)[0] == older_registry.BEFORE


def test_whoever_may_not_read_is_refused(make_site: MakeSite) -> None:
    root = make_site("jfk")
    with closing(open_workspace(root)) as services:
        ada = workspaces.identify(services, "ada")
        workspaces.set_open_reading(services, ada, allowed=False, reason="only who has a role")
        workspaces.revoke_role(services, ada, os_user(), Role.OPERATOR)
    reading = ask(site(root), Reading(site="jfk"))
    assert reading.standing is Standing.REFUSED
    assert os_user() in reading.said


def test_the_last_state_of_a_site_is_known_to_the_next_console(make_site: MakeSite, tmp_path: Path) -> None:
    root, kept = make_site("jfk"), LastStates(tmp_path / "kept")
    reading = ask(site(root), Reading(site="jfk"))
    kept.keep(site(root).address, reading)
    root.rename(tmp_path / "elsewhere")
    before = kept.read("jfk", site(root).address)
    away = ask(site(root), before)
    assert (away.standing, away.figures, away.since) == (Standing.AWAY, reading.figures, reading.heard_at)
    (file,) = (tmp_path / "kept").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("{}")
    assert kept.read("jfk", site(root).address) == Reading(site="jfk")


def test_what_a_far_site_prints_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shim = tmp_path / "ssh"
    shim.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    reading = ask(Site("eu", read_address("ssh://eu/srv")), Reading(site="eu"))
    assert reading.standing is Standing.AWAY
    assert "printed more than" in reading.said


@pytest.mark.parametrize(
    ("script", "standing", "said"),
    [
        ("echo 'pilothouse: eve may not read' >&2; exit 4", Standing.REFUSED, "eve may not read"),
        ("echo 'ssh: no route' >&2; exit 255", Standing.AWAY, "no connection: ssh: no route"),
        ("echo 'sh: pilothouse: not found' >&2; exit 127", Standing.AWAY, "no pilothouse there"),
        ("echo '<html>'", Standing.AWAY, "is no answer"),
        ("printf '[%.0s' $(seq 500)", Standing.AWAY, "is no answer"),
        ("printf '\\033[2Jx' >&2; exit 7", Standing.AWAY, "x"),
    ],
)
def test_what_goes_wrong_at_a_far_site_is_one_safe_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, standing: Standing, said: str
) -> None:
    shim = tmp_path / "ssh"
    shim.write_text(f"#!/bin/sh\n{script}\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    reading = ask(Site("eu", read_address("ssh://eu/srv")), Reading(site="eu"))
    assert reading.standing is standing
    assert said in reading.said
    assert reading.said.isprintable()


def test_the_views_of_items_are_views_of_the_console() -> None:
    from pilothouse.console.session.views import VIEWS

    assert set(asking._VIEWS.values()) <= set(VIEWS)


@pytest.mark.parametrize("words", [["overview"], ["--as", "pat"]])
def test_a_console_over_several_workspaces_takes_nothing_that_belongs_to_one(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failures.run(lambda: main.run(["console", "-w", str(tmp_path), *words])) == 2
    assert "over several workspaces" in capsys.readouterr().err
