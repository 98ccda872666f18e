"""alerts.toml is read strictly; quiet times end right where the clocks are changed; pauses grow, with jitter."""

from datetime import UTC, datetime

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.outbox.backoff import pause_s
from pilothouse.domain.outbox.quiet_times import quiet_until
from pilothouse.domain.outbox.settings import AlertSettings, QuietTime
from pilothouse.domain.outbox.settings_file import load_settings

WHOLE = """
[[receiver]]
name = "hook"
kind = "webhook"
url = "https://hooks.example.org/a"
secret_env = "HOOK_SECRET"
[[receiver]]
name = "am"
kind = "alertmanager"
url = "http://alertmanager:9093"
allow = ["alertmanager", "10.0.0.0/8", "::1"]
resend = "2m"
[[receiver]]
name = "mail"
kind = "apprise"
url_file = "/etc/pilothouse/mail-url"
[[route]]
name = "critical"
match = { severity = ["critical"] }
to = ["hook", "am"]
quiet = "nights"
[[route.escalate]]
after = "30m"
to = ["mail"]
[[quiet]]
name = "nights"
timezone = "Europe/Berlin"
hours = "22:00-07:00"
days = ["mon", "fri"]
"""


def test_a_whole_file_is_read_and_comes_back_from_the_registry() -> None:
    settings = load_settings(WHOLE)
    assert AlertSettings.from_plain(settings.to_plain()) == settings
    assert settings.receiver[1].resend == 120
    assert settings.route[0].escalate[0].to == ("mail",)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('secret_env = "HOOK_SECRET"', "", "receiver[0]: has no secret"),
        ("HOOK_SECRET", "sk-live 1234", "receiver[0].secret_env: found no name of an environment variable"),
        (
            'url_file = "/etc/pilothouse/mail-url"',
            'url = "slack://a/b/c"',
            "receiver[2].url: apprise URLs hold secrets",
        ),
        (
            "hooks.example.org/a",
            "u:p@hooks.example.org/a",
            "receiver[0].url: has a user, a query or a fragment",
        ),
        (
            "hooks.example.org/a",
            "hooks.example.org/a?token=1",
            "receiver[0].url: has a user, a query or a fragment",
        ),
        ("https://hooks.example.org/a", "ftp://hooks.example.org", "receiver[0].url: is no URL"),
        ('"::1"', '"no place!"', "receiver[1].allow[2]"),
        ('resend = "2m"', 'resend = "10m"', "receiver[1].resend: found 600s; expected 30s to 3m"),
        ('to = ["hook", "am"]', 'to = ["hoook"]', "route[0].to: 'hoook' is not described"),
        ('quiet = "nights"', 'quiet = "days"', "route[0].quiet: 'days' is not described"),
        ("Europe/Berlin", "Europe/Atlantis", "quiet[0].timezone"),
        ("22:00-07:00", "22:00-22:00", "quiet[0].hours"),
        ("22:00-07:00", "22-7", "quiet[0].hours"),
        ('after = "30m"', "after = 30", "route[0].escalate[0].after: found 30"),
        ('name = "am"', 'name = "hook"', "receiver: 'hook' is described 2 times"),
        ('name = "am"', 'name = "../am"', "receiver[1].name"),
        ('severity = ["critical"]', 'severity = "critical"', "route[0].match.severity"),
        ('kind = "webhook"', 'kind = "webhook"\nsecret = "x"', "receiver[0].secret: unknown key"),
    ],
)
def test_each_fault_is_one_line_that_says_what_was_expected(old: str, new: str, fault: str) -> None:
    assert old in WHOLE
    with pytest.raises(ModelFileError) as refused:
        load_settings(WHOLE.replace(old, new, 1))
    assert any(line.startswith(f"alerts.toml: {fault}") for line in refused.value.problems), (
        refused.value.problems
    )


def test_no_fault_repeats_what_may_be_a_secret() -> None:
    text = WHOLE.replace('url_file = "/etc/pilothouse/mail-url"', 'url = "slack://T0PS3CRET"')
    text = text.replace("HOOK_SECRET", "T0PS3CRET !").replace("hooks.example.org/a", "u:T0PS3CRET@h")
    with pytest.raises(ModelFileError) as refused:
        load_settings(text)
    assert "T0PS3CRET" not in str(refused.value)


BERLIN = QuietTime("nights", "Europe/Berlin", "22:00-07:00")


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-05-04T19:59", None),
        ("2026-05-04T20:00", "2026-05-05T05:00"),
        ("2026-05-05T04:59", "2026-05-05T05:00"),
        ("2026-05-05T05:00", None),
        # clocks go forward on 29 March 2026 at 02:00: the night is an hour shorter
        ("2026-03-28T21:00", "2026-03-29T05:00"),
        # and back on 25 October at 03:00: an hour longer
        ("2026-10-24T20:00", "2026-10-25T06:00"),
    ],
)
def test_nights_end_by_the_wall_of_their_zone(at: str, end: str | None) -> None:
    found = quiet_until(BERLIN, datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert found == (None if end is None else datetime.fromisoformat(end).replace(tzinfo=UTC))


def test_an_hour_that_the_wall_shows_twice_or_never() -> None:
    twice = QuietTime("n", "Europe/Berlin", "01:00-02:30")
    for minute, quiet in ((0, True), (29, True), (31, False)):
        for hour in (0, 1):  # 02:00 and 02:00 again, on the wall
            at = datetime(2026, 10, 25, hour, minute, tzinfo=UTC)
            assert (quiet_until(twice, at) is not None) is (quiet or hour == 0)
    never = QuietTime("n", "Europe/Berlin", "02:15-02:45")
    assert (
        quiet_until(never, datetime(2026, 3, 29, 1, 20, tzinfo=UTC)) is not None
    )  # 03:20, where 02:20 would be
    assert quiet_until(never, datetime(2026, 3, 29, 2, 20, tzinfo=UTC)) is None


def test_whole_days_follow_one_another_and_days_are_those_on_which_it_begins() -> None:
    weekend = QuietTime("w", "America/New_York", "00:00-24:00", days=("sat", "sun"))
    assert quiet_until(weekend, datetime(2026, 5, 2, 12, tzinfo=UTC)) == datetime(2026, 5, 4, 4, tzinfo=UTC)
    friday = QuietTime("f", "UTC", "22:00-06:00", days=("fri",))
    assert quiet_until(friday, datetime(2026, 5, 2, 5, tzinfo=UTC)) == datetime(2026, 5, 2, 6, tzinfo=UTC)
    assert quiet_until(friday, datetime(2026, 5, 2, 23, tzinfo=UTC)) is None


def test_pauses_double_up_to_a_quarter_of_an_hour_with_jitter_below() -> None:
    assert [pause_s(tries, 0.0) for tries in (1, 2, 3, 10, 1_000)] == [2, 4, 8, 900, 900]
    assert pause_s(3, 1.0) == 4
    assert pause_s(1, 0.0, asked_s=30) == 30
    assert pause_s(1, 0.0, asked_s=1e9) == 3_600
    assert pause_s(10, 0.0, asked_s=1) == 900
