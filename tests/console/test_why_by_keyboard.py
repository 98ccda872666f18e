"""The shortest way of an operator at night: why did this fire, in how many keys."""

from test_approval_by_keyboard import footer

from pilothouse.console.screenshots import settle
from pilothouse.domain.records import AlertStatus
from pilothouse.operations.alerts import incidents
from support import example


def page_of(app) -> str:
    (pager,) = app.view.query("Pager")
    return "\n".join("".join(cell.text for cell in line.cells) for line in pager._lines)


async def test_why_an_alert_fired_takes_at_most_four_keys(make_console) -> None:
    keys = ["8", "enter", "enter"]
    assert len(keys) <= 4
    app = make_console("olga")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        assert app.view.SCOPE == "alert"
        text = page_of(app)
        assert "auc 0.604 on jfk, reference 0.713" in text
        assert "◀ fired" in text
        assert "2 of the last 3 windows" in text
        assert all(len(line) <= 78 for line in text.splitlines())


async def test_w_in_the_list_explains_the_worst_alert_at_once(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("8")
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        assert app.view.SCOPE == "alert"
        assert app.view.data.alert.severity == "critical"
        await pilot.press("i")
        await settle(pilot)
        assert app.view.SCOPE == "incident"


async def test_a_drift_alert_shows_windows_features_and_the_rule(make_console) -> None:
    app = make_console("olga", start="alert 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        text = page_of(app)
        assert "WIND: POPULATION STABILITY INDEX" in text
        assert "Benjamini–Hochberg over all 3" in text
        assert "v1 from 2013-07-04" in text


async def test_one_row_for_one_cause_and_resolving_it_resolves_all(make_console, workspace) -> None:
    app = make_console("olga", start="alerts")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert [i.id for i in app.view.data.records.values()] == [1, 3]
        await pilot.press("r", *"a storm", "enter")
        await settle(pilot)
        for _ in range(200):  # the change is made in a thread, which a busy machine may not have come to yet
            if [i.id for i in app.view.data.records.values()] == [3]:
                break
            await pilot.pause(0.05)
        assert [i.id for i in app.view.data.records.values()] == [3]
    with example.opened(workspace) as services:
        found = incidents.get_incident(services, example.person(services, "olga"), 1)
        assert {a.status for a in found.alerts} == {AlertStatus.RESOLVED}
        assert {a.note for a in found.alerts} == {"a storm"}


async def test_somebody_takes_it_on(make_console) -> None:
    app = make_console("olga", start="incident 1")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("n", *"olga", "enter")
        await settle(pilot)
        assert app.view.data.incident.assignee == "olga"
        await pilot.press("a", "enter")
        await settle(pilot)
        assert app.view.data.incident.status is AlertStatus.ACKNOWLEDGED


async def test_keys_act_on_every_incident_that_is_marked_and_say_what_was_refused(
    make_console, workspace
) -> None:
    app = make_console("olga", start="alerts")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("space", "space", "a")
        words = str(app.screen.query_one("#message").render())
        assert "incident 1: " in words
        assert "incident 3: " in words
        await pilot.press("enter")
        await settle(pilot)
        assert "incidents 1, 3 are acknowledged" in footer(app)
        assert {i.status for i in app.view.data.records.values()} == {AlertStatus.ACKNOWLEDGED}
        await pilot.press("r")
        with example.opened(workspace) as services:
            incidents.resolve(services, example.person(services, "olga"), 3, "from elsewhere")
        await pilot.press(*"a storm", "enter")
        await settle(pilot)
        assert "1 of 2: incident 1 is resolved; refused: incident 3: incident 3 is resolved" in footer(app)
    with example.opened(workspace) as services:
        found = incidents.get_incident(services, example.person(services, "olga"), 1)
        assert {(a.status, a.note) for a in found.alerts} == {(AlertStatus.RESOLVED, "a storm")}
