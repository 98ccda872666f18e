"""Messages out on the command line: alerts.toml taken in, tests, the outbox, silences, and what status says."""

from pathlib import Path

import pytest

from cli.conftest import Pilothouse
from pilothouse.cli.commands.monitoring.messages import EXIT_NOT_TAKEN
from support.outbox_workspace import HOOK


@pytest.fixture
def described(workspace: Pilothouse, root: Path) -> Pilothouse:
    """A workspace with the receiver ``hook``, which nobody sends to."""
    text = HOOK.format(
        url="https://hooks.example.org", secret="/nowhere", wait="0s", receiver="", route="", rest=""
    )
    (root / "alerts.toml").write_text(text)
    assert workspace("apply", as_name="olga").code == 0
    return workspace


def test_alerts_toml_comes_in_by_apply_and_takes_an_admin(workspace: Pilothouse, root: Path) -> None:
    (root / "alerts.toml").write_text(
        '[[receiver]]\nname = "hook"\nkind = "webhook"\nurl = "https://a.example"\n'
    )
    assert "alerts.toml:1: receiver[0]: has no secret" in workspace("apply", as_name="olga").err
    text = HOOK.format(
        url="https://hooks.example.org", secret="/nowhere", wait="0s", receiver="", route="", rest=""
    )
    (root / "alerts.toml").write_text(text)
    assert "may not" in workspace("apply", as_name="ada").err
    assert "alerts.toml: create\n  receiver hook: new" in workspace("apply", as_name="olga").out
    assert "alerts.toml: unchanged" in workspace("apply", as_name="olga").out
    (root / "alerts.toml").write_text(text.replace('wait = "0s"', 'wait = "5m"'))
    changed = workspace("apply", as_name="olga").out
    assert "route all: wait" in changed


def test_a_test_that_nobody_sends_is_said_and_waits_in_the_outbox(described: Pilothouse) -> None:
    tried = described("alerts", "test", as_name="olga")
    assert (tried.code, "nobody has sent the test yet" in tried.err) == (EXIT_NOT_TAKEN, True)
    assert (
        "there is no receiver 'nobody': alerts.toml describes hook"
        in described("alerts", "test", "nobody").err
    )
    box = described("alerts", "outbox", "--json").json
    assert [one["name"] for one in box["receivers"]] == ["hook"]
    assert box["counts"] == {"waiting": 1}
    assert "this is a test by olga" in described("alerts", "outbox").out
    assert "msg_" in described("alerts", "outbox", "1").out
    assert "message 1 is waiting" in described("alerts", "outbox", "1", "--again").err
    assert described("status", "--json").json["dead_channels"] == {"failing": {}, "dead": 0}


def test_silences_are_made_listed_and_ended(described: Pilothouse) -> None:
    made = described(
        "alerts", "silence", "model=delay", "target=e*", "--for", "2h", "--reason", "works", "--json"
    ).json
    assert made["matchers"] == {"model": ["delay"], "target": ["e*"]}
    assert "model=delay, target=e*" in described("alerts", "silences").out
    assert "may not" in described("alerts", "unsilence", "1", as_name="petra").err
    assert "silence 1 is ended" in described("alerts", "unsilence", "1").err
    assert "over already" in described("alerts", "unsilence", "1").err
    assert "ended by olga" in described("alerts", "silences", "--all").out
    assert "LABEL=TEXT" in described("alerts", "silence", "delay", "--for", "2h", "--reason", "works").err


def test_without_receivers_the_outbox_says_how_to_describe_them(workspace: Pilothouse) -> None:
    assert "write alerts.toml" in workspace("alerts", "outbox").err
    assert "write alerts.toml" in workspace("alerts", "test").err
    assert "no silence is in force" in workspace("alerts", "silences").err
    assert workspace("alerts").code == 0
