"""Sites behind a real sshd: asked over SSH, each by the rights of the key; away once the sshd is gone."""

import sys
from pathlib import Path

import pytest

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.sites.addresses import read_address
from pilothouse.domain.sites.readings import Reading, Standing
from pilothouse.operations.sites import sources
from pilothouse.operations.transparency import heads
from pilothouse.operations.workspace import workspaces
from pilothouse.sites.asking import Site, ask
from pilothouse.transparency import published
from pilothouse.transparency.notes import parse_key
from support.ssh_door import Door
from support.ssh_keys import use_key
from support.sshd import ACCOUNT, needs_sshd, running_sshd

pytestmark = needs_sshd


def test_a_site_behind_a_key_is_read_by_its_user_s_rights(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oscar = door.add("oscar")
    use_key(oscar, door.sshd.folder / "known_hosts", tmp_path / "bin", monkeypatch)
    site = Site("eu", read_address(f"ssh://{ACCOUNT}@127.0.0.1:{door.sshd.port}"))
    reading = ask(site, Reading(site="eu"))
    assert reading.standing is Standing.ANSWERS, reading.said
    assert reading.answer is not None
    assert reading.answer.actor == "oscar (operator)"

    with_path = Site("eu", read_address(f"{site.address.text}/srv/other"))
    refused = ask(with_path, Reading(site="eu"))
    assert refused.standing is Standing.REFUSED
    assert "refused over SSH" in refused.said

    door.sshd.process.terminate()
    door.sshd.process.wait()
    away = ask(site, reading)
    assert (away.standing, away.figures, away.since) == (Standing.AWAY, reading.figures, reading.heard_at)
    assert "no connection" in away.said


def test_a_release_before_sites_gives_figures_without_lists(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that knows no ``site`` stands for the older release; what it prints of ``status`` is real."""
    root, key = door.services.paths.root, door.key("plain")
    ada = workspaces.identify(door.services, "ada")
    workspaces.grant_role(door.services, ada, ACCOUNT, Role.VIEWER)
    older = tmp_path / "older"
    older.mkdir()
    (older / "pilothouse").write_text(
        "#!/bin/sh\n"
        'case "$*" in *" site "*) echo "pilothouse: No such command \'site\'. (try --help)" >&2; exit 2;; esac\n'
        f"exec '{sys.executable}' -I -m pilothouse.cli.main \"$@\"\n"
    )
    (older / "pilothouse").chmod(0o755)
    (tmp_path / "authorized").write_text(key.with_suffix(".pub").read_text())
    lines = (f'AuthorizedKeysFile "{tmp_path / "authorized"}"', f'SetEnv "PATH={older}:/usr/bin:/bin"')
    with running_sshd(tmp_path / "plain-sshd", *lines) as sshd:
        use_key(key, sshd.folder / "known_hosts", tmp_path / "bin", monkeypatch)
        site = Site("eu", read_address(f"ssh://{ACCOUNT}@127.0.0.1:{sshd.port}{root}"))
        reading = ask(site, Reading(site="eu"))
    assert reading.standing is Standing.PARTIAL, reading.said
    assert reading.figures is not None
    assert reading.figures.models >= 1
    assert "older release" in reading.said


def test_what_a_site_publishes_is_read_over_ssh_and_no_path_of_it(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oscar = door.add("oscar")
    use_key(oscar, door.sshd.folder / "known_hosts", tmp_path / "bin", monkeypatch)
    read = sources.reader(f"ssh://{ACCOUNT}@127.0.0.1:{door.sshd.port}", published.LONGEST)
    state = published.parse(read("state").decode())
    ada = workspaces.identify(door.services, "ada")
    published.check(state, parse_key(heads.status(door.services, ada).key))
    size = state.head.checkpoint.size
    assert len(read(f"tile/0/000.p/{size}")) == size * 32
    with pytest.raises(NotFoundError):
        read("tile/0/x001/000")
    for words in ("ask /srv", "publish /srv/elsewhere", "follow eu /srv/www --key x", "file ../log.key"):
        refused = door.sshd.run(oscar, f"pilothouse site {words}")
        assert refused.code in (2, 4), words
        assert refused.out == ""
