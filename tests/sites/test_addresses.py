"""Addresses of sites: what is one, and what ssh could take for something else."""

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.sites.addresses import names_of, read_address, ssh_command
from pilothouse.domain.sites.answers import SiteItem
from pilothouse.sites.asking import Site, console_command, sites_of


def test_a_far_workspace_is_a_login_and_a_path() -> None:
    address = read_address("ssh://ops@eu-1.example.org:2222/srv/models/")
    assert (address.login, address.port, address.path) == ("ops@eu-1.example.org", 2222, "/srv/models")
    command = ssh_command(address, ["--json", "site", "state"], terminal=False)
    assert command[-2:] == ["ops@eu-1.example.org", "pilothouse -w /srv/models --json site state"]
    assert command[-5:-3] == ["-p", "2222"]
    assert "BatchMode=yes" in command


def test_without_a_path_the_far_side_names_the_workspace() -> None:
    command = ssh_command(read_address("ssh://ops@[::1]"), ["console"], terminal=True)
    assert command == ["ssh", "-t", "--", "ops@::1", "pilothouse console"]


@pytest.mark.parametrize(
    "text",
    [
        "ssh://-oProxyCommand=id/srv",
        "ssh://-l@host/srv",
        "ssh://us er@host/srv",
        "ssh://host:0/srv",
        "ssh://host:70000/srv",
        "ssh://ho;st/srv",
        "https://host/srv",
        "ssh://host/sr\x1b[2Jv",
        "a\nfolder",
        "",
        "x" * 2_000,
    ],
)
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_address(text)
    assert str(refused.value).isprintable()


def test_a_path_stays_one_word_of_the_far_shell() -> None:
    address = read_address("ssh://host/srv/a b; touch x")
    assert ssh_command(address, ["status"], terminal=False)[-1] == "pilothouse -w '/srv/a b; touch x' status"


def test_names_are_short_and_no_two_alike() -> None:
    places = [
        "/srv/jfk",
        "/srv/ewr",
        "ssh://eu-1.example.org/srv/m",
        "ssh://10.0.0.7/srv/a",
        "ssh://10.0.0.7/srv/b",
        "/old/ewr",
    ]
    assert names_of([read_address(place) for place in places]) == [
        "jfk", "srv/ewr", "eu-1", "10.0.0.7:a", "10.0.0.7:b", "old/ewr",
    ]  # fmt: skip
    same = [read_address(place) for place in ("ssh://eu/a/x", "ssh://eu/b/x")]
    assert names_of(same) == ["eu:x", "eu:x#2"]
    assert len(sites_of(["/srv/jfk", "/srv/jfk"])) == 1


def test_an_item_is_opened_in_the_site_s_own_console() -> None:
    item = SiteItem(kind="deployment", key="delay jfk", state="healthy", subject="delay/1 on jfk")
    far = Site("eu", read_address("ssh://ops@eu/srv/m"))
    assert (
        console_command(far, item, read_only=True)[-1]
        == "pilothouse -w /srv/m console --readonly monitor delay jfk"
    )
    here = console_command(Site("jfk", read_address("/srv/jfk")))
    assert here[-4:] == ["pilothouse.cli.main", "-w", "/srv/jfk", "console"]
