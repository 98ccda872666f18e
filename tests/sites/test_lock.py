"""Idle lock and keys of the console of several sites."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.console.session import config
from pilothouse.console.sites.lock import strictest, unlocking
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.sites.readings import Reading, Standing, answered, failed
from pilothouse.operations.identity import passphrases
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.system.workspace_place import os_user
from support.site_values import ANSWER, NOW, MakeSite


def test_the_console_locks_as_soon_as_the_strictest_of_its_sites() -> None:
    lax = answered(Reading(site="a"), replace(ANSWER, idle_lock_s=3_600), NOW)
    strict = answered(Reading(site="b"), replace(ANSWER, idle_lock_s=600), NOW)
    liar = answered(Reading(site="c"), replace(ANSWER, idle_lock_s=1), NOW)
    never = answered(Reading(site="d"), ANSWER, NOW)
    assert strictest([never]) is None
    assert strictest([lax, never, strict]) == ("b", 600)
    assert strictest([lax, liar]) == ("c", 30)


def test_who_unlocks_is_the_first_named_that_answers_whatever_a_site_says_of_its_lock() -> None:
    """A site that claims the shortest lock does not become the one that is believed."""
    first = answered(Reading(site="a"), replace(ANSWER, idle_lock_s=3_600), NOW)
    liar = answered(Reading(site="c"), replace(ANSWER, idle_lock_s=1), NOW)
    never = answered(Reading(site="d"), ANSWER, NOW)
    assert unlocking([never, first, liar]) == ["a", "c"]
    away = failed(first, Standing.AWAY, "no connection", NOW)
    assert unlocking([away, never, liar]) == ["c"], "one that is away locks nobody out"
    assert strictest([away, never]) == ("a", 3_600), "and goes on being heeded"


def test_a_site_unlocks_by_the_passphrase_that_somebody_has_there(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_site("jfk")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def unlock(typed: str) -> int:
        monkeypatch.setattr(
            "sys.stdin", type("Line", (), {"isatty": lambda _: False, "readline": lambda *_: typed})()
        )
        return failures.run(lambda: main.run(["-w", str(root), "site", "unlock"]))

    assert unlock("x\n") == 4
    assert "no passphrase is set" in capsys.readouterr().err
    with closing(open_workspace(root)) as services:
        me = workspaces.identify(services, os_user())
        passphrases.set_passphrase(services, me, "correct horse battery", None)
    assert unlock("wrong\n") == 4
    assert unlock("correct horse battery\n") == 0
    with closing(open_workspace(root)) as services:
        assert "session.unlocked" in {
            one.action for one in audits.show(services, workspaces.identify(services, "ada"))
        }


def test_keys_of_the_console_of_several_are_checked_with_the_others(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text('[keys]\n"sites.go_search" = "f6"\n"alerts.acknowledge" = "f5"\n')
    assert config.load(file).keys == {"sites.go_search": "f6", "alerts.acknowledge": "f5"}
    file.write_text('[keys]\n"sites.go_search" = "a"\n')
    with pytest.raises(InvalidInputError, match="a is the key of"):
        config.load(file)
