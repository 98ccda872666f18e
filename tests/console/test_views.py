"""What an operator does with the views: cursor and zoom, heat map, distributions, the past, lineage, long logs, export."""

import base64
import shutil
from pathlib import Path

import pytest
from test_approval_by_keyboard import footer
from textual.widgets import Static

from pilothouse.composition import open_workspace
from pilothouse.console.screenshots import settle
from pilothouse.console.session import exporting
from pilothouse.console.session.clipboard import LONGEST_BASE64
from pilothouse.console.widgets.chart import ChartView
from pilothouse.console.widgets.frame_parts import OneLine
from pilothouse.console.widgets.grid import Grid
from pilothouse.operations.workspace import workspaces, write_state
from support import example
from support.drawings import plain_text

SIZE = (80, 24)


def words(app, selector: str) -> str:
    """What a Static says."""
    return str(app.view.query_one(selector, Static).render())


def head(app, selector: str) -> str:
    """The headline of a chart."""
    return "".join(segment.text for segment in app.view.query_one(selector, ChartView).render_line(0))


async def press(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def until(pilot, ready) -> None:
    """Wait for something that a thread brings about."""
    for _ in range(400):
        await pilot.pause(0.02)
        if ready():
            await settle(pilot)
            return
    raise AssertionError("it did not happen")


async def test_cursor_shows_the_figures_of_a_window_and_esc_lets_go(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert "✖ worse" in head(app, "#chart0")
        await press(pilot, "left", "left")
        assert "│" in head(app, "#chart0")
        assert "meas" in head(app, "#chart0")
        assert "ref 0.713" in head(app, "#chart0")
        await press(pilot, "escape")
        assert "✖ worse" in head(app, "#chart0")


async def test_zoom_in_time_pan_and_follow(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        start, end = app.view.query_one("#chart0", ChartView).picture.span
        await press(pilot, "i")
        closer = app.view.query_one("#chart0", ChartView).picture.span
        assert closer[1] == pytest.approx(end, abs=(end - start) / 16)
        assert closer[1] - closer[0] == pytest.approx((end - start) / 2, rel=0.2)
        assert "following" in words(app, "#facts")
        await press(pilot, "comma")
        assert app.view.query_one("#chart0", ChartView).picture.span[1] < end
        assert "following" not in words(app, "#facts")
        await press(pilot, "w")
        assert app.view.query_one("#chart0", ChartView).picture.span == closer
        await press(pilot, "o")
        assert app.view.query_one("#chart0", ChartView).picture.span == (start, end)


async def test_heat_map_and_distribution_are_of_the_chosen_feature(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "x")
        assert app.view.query_one("#heat", ChartView).picture.selected == "wind"
        await press(pilot, "down", "enter")
        picture = app.view.query_one("#distribution", ChartView).picture
        assert picture.title in ("hour", "score")
        assert picture.bins
        await press(pilot, "escape")
        assert app.view.query_one("#charts").display


async def test_another_target_stands_beside_and_nothing_else_is_offered(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "b")
        assert app.view.beside == "ewr"
        assert "ewr" in [series.name for series in app.view.query_one("#chart0", ChartView).picture.series]
        await press(pilot, "b")
        assert app.view.beside == ""


async def test_a_chart_that_did_not_change_paints_nothing(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        chart = app.view.query_one("#chart0", ChartView)
        painted: list[object] = []
        chart.refresh = lambda *regions, **_: painted.append(regions)
        app.view.reload()
        await settle(pilot)
        assert painted == []


async def test_export_writes_series_and_pictures_below_the_home_folder(
    make_console, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await until(pilot, lambda: "wrote flight-delay-jfk-" in footer(app))
    files = sorted((tmp_path / exporting.FOLDER).iterdir())
    assert [file.suffix for file in files] == [".csv", ".svg", ".txt"]
    assert "drift psi of wind" in files[0].read_text()
    assert files[1].read_text().startswith("<svg")
    assert "flight-delay on jfk" in files[2].read_text()
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


async def test_export_follows_no_link(make_console, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / exporting.FOLDER
    folder.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("keep")
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stem = exporting._stem(app.view.data.view, None)
        (folder / f"{stem}.csv").symlink_to(precious)
        await pilot.press("e")
        await until(pilot, lambda: "cannot be written" in footer(app))
    assert precious.read_text() == "keep"


async def test_over_a_shared_account_the_series_go_to_the_clipboard(
    make_console, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await until(pilot, lambda: "on your clipboard" in footer(app))
        assert app.clipboard.startswith("model,target,series")
        long = "model,target,series\n" + "flight-delay,jfk,score\n" * 3_000
        monkeypatch.setattr(exporting, "series_csv", lambda *views: long)
        await pilot.press("e")
        await until(pilot, lambda: app.clipboard.count("\n") > 1_000)
        assert len(base64.b64encode(app.clipboard.encode())) <= LONGEST_BASE64
        assert set(app.clipboard.splitlines()[1:]) == {"flight-delay,jfk,score"}, "whole lines"
    assert list(tmp_path.glob(f"{exporting.FOLDER}/*")) == []


async def test_what_was_in_production_when_takes_three_keys_and_the_time(
    make_console, workspace: Path
) -> None:
    with example.opened(workspace) as services:
        pat = example.person(services, "pat")
        from pilothouse.operations.promotion import promotions

        promotions.approve(services, pat, 3, promotions.get_request(services, pat, 3).evidence_digest)
    app = make_console("pat")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("at", *"2013-08-10", "enter")
        await until(pilot, lambda: app.session.at is not None)
        await press(pilot, "7")
        assert "THE PAST 2013-08-10 00:00" in words(app, "#banner")
        versions = {(s.target, s.deployment.version) for s in app.view.data.records.values() if s.deployment}
        assert versions == {("ewr", 1), ("jfk", 1), ("washington", 1)}
        await pilot.press("colon", *"now", "enter")
        await until(pilot, lambda: app.session.at is None)
        await until(
            pilot, lambda: 3 in {s.deployment.version for s in app.view.data.records.values() if s.deployment}
        )
        assert "THE PAST" not in words(app, "#banner")


async def test_in_the_past_nothing_is_changed_and_arrows_step_from_event_to_event(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("at", *"2013-08-30", "enter")
        await until(pilot, lambda: app.session.at is not None)
        await pilot.press("exclamation_mark")
        assert "this is the past" in footer(app)
        await pilot.press("left")
        await until(pilot, lambda: "alert 1: auc 0.604 on jfk" in footer(app))
        assert app.session.at == example.NOW.replace(day=29, month=8)
        await pilot.press("left")
        await until(pilot, lambda: "alert 2: wind drifts" in footer(app))
        await pilot.press("8")
        await settle(pilot)
        (incident,) = app.view.data.records.values()
        assert {alert.id for alert in incident.alerts} == {2, 3}, "alert 1 had not fired yet"


async def test_a_wrong_time_says_what_is_expected_and_nothing_moves(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("at", *"soon", "enter")
        await until(pilot, lambda: "'soon' is not a time" in footer(app))
        assert app.session.at is None


async def test_fleet_chooses_target_and_model_and_opens_the_place(make_console) -> None:
    app = make_console("pat", start="fleet")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "◆ flight-delay v3 waits for a decision: ewr jfk (request 3)" in words(app, "#coming")
        await press(pilot, "b", "b", "b")
        assert app.view.grouping == "nothing"
        await press(pilot, "down")
        assert app.view.target == "jfk"
        await press(pilot, "enter")
        assert (app.view.SCOPE, app.view.deployment) == ("monitor", ("flight-delay", "jfk"))


async def test_a_place_where_the_model_does_not_run_says_so(make_console) -> None:
    app = make_console("pat", start="fleet")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "b", "b", "b", "end", "enter")
        assert "flight-delay does not run on washington" in footer(app)


async def test_lineage_folds_opens_and_says_what_is_affected(make_console) -> None:
    app = make_console("pat", start="lineage flight-delay/1")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        tree = app.view.query_one("#tree", Grid)
        whole = tree.shown
        await press(pilot, "left")
        assert tree.shown == 1
        await press(pilot, "right", "right")
        assert tree.shown >= whole
        await press(pilot, "down", "down")
        assert app.view.node.kind == "snapshot"
        await press(pilot, "u")
        assert app.view.SCOPE == "affected"
        assert "live now on ewr, jfk" in words(app, "#sum")
        await press(pilot, "escape", "t")
        assert app.view.query_one("#text").display


async def test_a_log_is_searched_both_ways_and_wrapped(make_console, workspace: Path) -> None:
    with example.opened(workspace) as services:
        log = services.paths.step_folder(5, 1, 1, "fit") / "log.txt"
    log.write_text(
        "".join(f"epoch {i} {'loss is NaN ' * 12 if i == 900 else 'fine'}\n" for i in range(2_000))
    )
    app = make_console("pat", start="job 5")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        view = app.view.log_view
        assert view.follow
        assert "of 2,001" in view.visible_range
        await press(pilot, "home", "slash", *"nan", "enter")
        await until(pilot, lambda: view.at == 901)
        assert view.sought == "nan"
        cut = [number for number, _ in view._rows].count(901)
        await press(pilot, "w")
        assert [number for number, _ in view._rows].count(901) > cut == 1
        await pilot.press("n")
        await until(pilot, lambda: "is not below" in footer(app))
        await press(pilot, "escape")
        assert view.sought == ""
        with log.open("a") as file:
            file.write("epoch 2000 fine\n")
        await press(pilot, "f")
        app.view.reload()
        await until(pilot, lambda: view._rows[-1][1] == "epoch 2000 fine")


async def test_a_search_hides_nothing_of_the_job_and_is_forgotten_with_one_key(make_console) -> None:
    app = make_console("pat", start="job 5")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        facts = app.view.query_one("#facts").text
        await press(pilot, "slash", *"nowhere", "enter")
        await until(pilot, lambda: "is not below" in footer(app))
        assert app.view.query_one("#facts").virtual_size.height >= len(facts.splitlines()) > 1
        assert not any(note.startswith("/") for note in app.view.notes())
        assert "/nowhere" in words(app, "#position")
        await press(pilot, "escape")
        assert "/nowhere" not in words(app, "#position")


async def test_an_ended_job_is_not_called_live(make_console, workspace: Path) -> None:
    with example.opened(workspace) as services:
        shutil.rmtree(services.paths.job_folder(1), ignore_errors=True)
    app = make_console("pat", start="job 1")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        log = app.view.log_view
        assert "".join(segment.text for segment in log.render_line(0)).strip() == "no log is kept here"
        assert words(app, "#position").strip() == "no line"
        await press(pilot, "f", "f")
        assert "the job has ended" in footer(app)


async def test_rejected_events_say_what_to_do(make_console) -> None:
    app = make_console("pat", start="rejected")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "every event that arrived was taken in" in "\n".join(
            segment.text for y in range(3) for segment in app.view.query_one("#grid", Grid).render_line(y)
        )


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (39, 11), (400, 120)])
async def test_views_stand_any_size(make_console, size: tuple[int, int]) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        for command in ("fleet", "lineage flight-delay/3", "job 5", "rejected", "monitor flight-delay jfk"):
            await app.run_command(command)
            await pilot.resize_terminal(*size)
            await pilot.pause()
            for key in ("x", "enter", "z", "left", "end"):
                await pilot.press(key)
            await pilot.resize_terminal(*SIZE)
            await settle(pilot)
        assert plain_text(app.view.query_one("#chart0", ChartView)._drawing)


async def test_a_workspace_that_may_not_be_written_says_so_on_every_screen(
    make_console, workspace: Path
) -> None:
    app = make_console("olga")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "READ-ONLY" not in words(app, "#banner")
        services = open_workspace(workspace)
        ada = workspaces.identify(services, "ada")
        write_state.make_read_only(services, ada, "the disk is changed")
        app.look()
        await until(pilot, lambda: "READ-ONLY" in words(app, "#banner"))
        assert "the disk is changed" in words(app, "#banner")
        write_state.make_writable(services, ada, "it has been")
        services.close()
        app.look()
        await until(pilot, lambda: "READ-ONLY" not in words(app, "#banner"))


async def test_the_cursor_goes_through_the_windows_of_what_is_looked_at(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        view = app.view.data.view
        ends = {p.window.end.timestamp() for p in view.performance}
        ends |= {r.window.end.timestamp() for readings in view.drift.values() for r in readings}
        seen = set()
        for _ in range(len(ends)):
            await press(pilot, "left")
            seen.add(app.view.axis.cursor)
            assert "nothing" not in head(app, "#chart0") + head(app, "#chart1")
        assert seen <= ends
        legends = set()
        for _ in range(len(ends)):
            await press(pilot, "right")
            legends.add("".join(cell.text for cell in app.view.query_one("#legend", OneLine)._cells))
        assert any("alert of" in words for words in legends)
        await press(pilot, "z", "z", "z", "z", "left")
        volume = {t.window.end.timestamp() for t in view.traffic}
        assert app.view.axis.cursor in volume
        await press(pilot, "escape", "enter")
        assert app.view.data.distribution is not None


async def test_what_has_no_room_above_a_chart_that_stands_alone_stands_whole_below_it(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        below = app.view.query_one("#below", Static)
        cut = 0
        for number in range(6):
            await press(pilot, "z")
            widget = app.view.query_one(f"#chart{number}", ChartView)
            title, headline = widget.picture.title, widget.picture.headline.text
            await pilot.resize_terminal(40, 24)
            await settle(pilot)
            assert below.display is (len(f" {title}  {headline}") > 40)
            if below.display:
                cut += 1
                shown = " ".join(below.render_line(y).text for y in range(below.size.height))
                assert "".join(shown.split()) == "".join(headline.split()), "no word of it is cut"
                assert widget.size.height >= 6
            await pilot.resize_terminal(160, 24)
            await settle(pilot)
            assert not below.display
        assert cut
        await press(pilot, "z")
        assert not below.display, "four charts have no room for it"


async def test_a_training_whose_version_a_gate_refused_is_no_success_to_look_at(make_console) -> None:
    app = make_console("pat", start="jobs")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid", Grid)
        refused = next(job for job in app.view.data.records.values() if job.refused_by)
        grid.select(str(refused.id))
        row = next(row for row in grid._rows if row.key == str(refused.id))
        assert (
            next(cell for cell in row.cells if cell.tone == "warn").text == "▲ refused by a gate: comparison"
        )
        await press(pilot, "enter")
        assert "refused by a gate: comparison" in app.view.query_one("#facts").text


async def test_what_is_described_in_a_lineage_is_the_node_alone(make_console) -> None:
    app = make_console("pat", start="lineage flight-delay/3")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        whole = app.view.data
        await press(pilot, "down")
        assert app.view.subject().label == app.view.node.label
        assert app.view.subject() is not whole
        assert app.view.subject().children == ()
