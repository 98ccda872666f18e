"""What the registry knows of living processes, and how often it is written."""

from dataclasses import replace
from datetime import timedelta

from fixtures.registries import Example
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.operations.fleet import health, processes
from pilothouse.operations.promotion import promotions
from pilothouse.operations.states import states
from pilothouse.operations.workspace import apply_models, audits
from pilothouse.presentation.pages.feed import feed_table
from pilothouse.presentation.tables.registry_rows import serving_text
from pilothouse.store.deployed import deployment_states as stored_states
from pilothouse.store.deployed import processes as stored
from pilothouse.system.leader import leadership
from support.daemons import stand_for_daemon

EWR = ServingReport("ewr", 8_080, 7, {"delay": 1}, {}, 0, {"delay": 4_000})
JFK = replace(EWR, target="jfk")


def deploy(example: Example) -> processes.Pulse:
    example.apply()
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    stand_for_daemon(example.services)
    return processes.Pulse(example.services, processes.announce_daemon(example.services, "landlock ABI 7"))


def serving(example: Example) -> dict[str, str]:
    return {
        state.target: serving_text(state)
        for state in health.target_states(example.services, example.actor("vera"))
    }


def test_targets_that_say_the_same_every_second_are_written_once_a_beat(example: Example) -> None:
    pulse = deploy(example)
    registry = example.services.registry
    moves = set()
    for second in range(20):
        for report in (EWR, JFK):
            pulse.take_report(replace(report, spooled_batches=second))
            moves.add(registry.data_version())
        if second % processes.BEAT_EVERY_S == 4:
            pulse.beat()
            moves.add(registry.data_version())
        example.pass_time(seconds=1)
        assert serving(example) == {"ewr": "answering", "jfk": "answering"}
    assert len(moves) == 2 + 4, "two first reports and four beats"
    with registry.read() as connection:
        kept = stored.reports(connection)["ewr"]
    assert (kept.report.spooled_batches, kept.received_at) == (19, example.time - timedelta(seconds=1))


def test_news_is_written_at_once(example: Example) -> None:
    pulse = deploy(example)
    pulse.take_report(replace(EWR, loaded={}))
    assert serving(example)["ewr"] == "loading"
    pulse.take_report(EWR)
    assert serving(example)["ewr"] == "answering"
    pulse.take_report(replace(EWR, failed={"delay": "no memory"}))
    assert serving(example)["ewr"] == "failed: no memory"


def test_one_that_falls_silent_is_down_while_the_others_answer(example: Example) -> None:
    pulse = deploy(example)
    for second in range(20):
        if second < 2:
            pulse.take_report(EWR)
        pulse.take_report(JFK)
        if second % processes.BEAT_EVERY_S == 4:
            pulse.beat()
        example.pass_time(seconds=1)
    assert serving(example) == {"ewr": "down", "jfk": "answering"}


def test_after_the_start_of_a_daemon_nobody_is_healthy_before_it_was_heard_of(example: Example) -> None:
    """Neither where its process ended together with the daemon before, nor where it only has not reported yet."""
    pulse = deploy(example)
    for report in (EWR, JFK):
        pulse.take_report(report)
    example.pass_time(seconds=2)
    pulse = processes.Pulse(example.services, processes.announce_daemon(example.services, "none"))
    assert serving(example) == {"ewr": "not heard of", "jfk": "not heard of"}
    with example.services.registry.read() as connection:
        (ground, *_) = stored_states.states_of(connection, "delay", "ewr")["ewr"].grounds
    assert ground.health is Health.NOT_JUDGED
    assert ground.text == "no word of its process since the daemon started, last of 2026-05-03 12:00"
    pulse.take_report(EWR)
    assert serving(example) == {"ewr": "answering", "jfk": "not heard of"}
    for _ in range(3):
        example.pass_time(seconds=5)
        pulse.take_report(EWR)
        pulse.beat()
    assert serving(example) == {"ewr": "answering", "jfk": "down"}
    assert states.differing(example.services) == []


def test_a_process_is_heard_of_though_the_wall_clock_was_set_back(example: Example) -> None:
    pulse = deploy(example)
    example.pass_time(seconds=-30)
    pulse.take_report(EWR)
    assert serving(example)["ewr"] == "not heard of"
    for _ in range(8):
        example.pass_time(seconds=5)
        pulse.take_report(EWR)
        pulse.beat()
    assert serving(example)["ewr"] == "answering"


def test_the_daemon_is_who_holds_the_lock(example: Example) -> None:
    assert not processes.daemon_state(example.services).running
    with leadership(example.services.paths.daemon_lock):
        unannounced = processes.daemon_state(example.services)
        name = processes.announce_daemon(example.services, "none")
        announced = processes.daemon_state(example.services)
    assert (unannounced.pid, unannounced.started_at) == (name.pid, None)
    assert (announced.pid, announced.started_at, announced.isolation) == (name.pid, example.time, "none")


def test_a_daemon_that_ended_without_saying_so_is_on_record_from_the_next_one_on(example: Example) -> None:
    def ends() -> list[object]:
        entries = audits.show(example.services, example.actor("aud"), limit=100)
        return [entry.detail["pid"] for entry in entries if entry.action == "daemon.ended"]

    processes.announce_daemon(example.services, "none")
    processes.announce_stop(example.services, "asked to")
    assert processes.daemon_killed(example.services) is None
    processes.announce_daemon(example.services, "none")
    assert ends() == []
    killed = ProcessName("another boot", 4_711, 1)
    with example.services.registry.transaction() as connection:
        at = example.services.now()
        stored.put_process(connection, "daemon", killed, started_at=at, at=at, detail={})
    assert processes.daemon_killed(example.services) == (4_711, at)
    processes.announce_daemon(example.services, "none")
    assert ends() == [4_711]


def outages(example: Example) -> list[tuple[str, str, object]]:
    entries = audits.show(example.services, example.actor("aud"), limit=100)
    return [
        (e.action, e.subject, e.detail.get("cause", ""))
        for e in reversed(entries)
        if e.action.startswith("target.")
    ]


def test_an_outage_leaves_a_trace_with_its_cause_and_its_end(example: Example) -> None:
    pulse = deploy(example)
    pulse.take_report(EWR)
    assert outages(example) == []
    processes.note_serving_end(example.services, "ewr")
    assert outages(example) == [("target.down", "ewr", "")]
    processes.note_serving_end(example.services, "ewr", "cannot listen on 127.0.0.1:18999")
    for number in range(3):  # it is started again and again, and may say something else each time
        processes.note_serving_end(example.services, "ewr", f"worker {number} has ended")
    assert outages(example)[1:] == [("target.down", "ewr", "cannot listen on 127.0.0.1:18999")]
    with example.services.registry.read() as connection:
        state = stored_states.states_of(connection, "delay", "ewr")["ewr"]
    why = "answers nothing: its process does not start: cannot listen on 127.0.0.1:18999; tried again within 30 s"
    assert (state.health, state.grounds[0].text) == (Health.DOWN, why)
    assert states.differing(example.services) == []
    pulse.take_report(EWR)
    pulse.beat()
    assert outages(example)[2:] == [("target.answers", "ewr", "")]
    assert states.differing(example.services) == []
    feed = feed_table(audits.show(example.services, example.actor("aud"), limit=3), example.time)
    assert [row.cells[2].text for row in feed.rows] == [
        "ewr answers again",
        "ewr answers nothing: its process does not start: cannot listen on 127.0.0.1:18999",
        "ewr answers nothing: no word of its process",
    ]


def test_a_target_that_is_down_is_so_no_more_once_something_else_serves_it(example: Example) -> None:
    """Nor does the last word of the process that is ended there count."""
    pulse = deploy(example)
    pulse.take_report(EWR)
    processes.note_serving_end(example.services, "ewr", "no memory")
    assert serving(example)["ewr"] == "down"

    (example.root / "targets.toml").write_text('[[target]]\nname = "ewr"\nplace = "elsewhere"\n')
    apply_models.apply(example.services, example.actor("ada"))
    assert (serving(example)["ewr"], states.differing(example.services)) == ("remote", [])

    pulse.take_report(EWR)
    processes.note_serving_end(example.services, "ewr")
    with example.services.registry.read() as connection:
        assert "ewr" not in stored.reports(connection)
    assert (serving(example)["ewr"], states.differing(example.services)) == ("remote", [])


def test_how_a_process_has_ended_is_said_until_the_next_one_does_not_start(example: Example) -> None:
    deploy(example).take_report(EWR)

    def why() -> str:
        with example.services.registry.read() as connection:
            return stored_states.states_of(connection, "delay", "ewr")["ewr"].grounds[0].text

    def feed() -> str:
        shown = feed_table(audits.show(example.services, example.actor("aud"), limit=1), example.time)
        return shown.rows[0].cells[2].text

    processes.note_serving_end(example.services, "ewr", end="signal 9")
    assert why() == "answers nothing: its process has ended (signal 9)"
    assert feed() == "ewr answers nothing: its process has ended (signal 9)"
    assert states.differing(example.services) == []
    processes.note_serving_end(example.services, "ewr", "no memory")
    assert why() == "answers nothing: its process does not start: no memory; tried again within 30 s"
    assert states.differing(example.services) == []


def test_what_a_process_said_before_its_end_is_no_word_of_the_next_one(example: Example) -> None:
    pulse = deploy(example)
    pulse.take_report(EWR)
    pulse.take_report(EWR)  # waits for the next beat
    pulse.forget("ewr")
    processes.note_serving_end(example.services, "ewr")
    pulse.beat()
    assert serving(example)["ewr"] == "down"
    assert outages(example) == [("target.down", "ewr", "")]
    pulse.take_report(EWR)  # the next one says the same
    assert outages(example)[1:] == [("target.answers", "ewr", "")]


def test_a_report_that_could_not_be_written_for_long_is_no_word_of_the_present(example: Example) -> None:
    pulse = deploy(example)
    pulse.take_report(EWR)
    pulse.take_report(EWR)
    example.pass_time(seconds=processes.REPORT_IS_OLD_S + 1)
    with example.services.registry.transaction() as connection:
        stored.mark_silent(connection, "ewr", at=example.time)
    pulse.beat()
    assert not any(action == "target.answers" for action, _, _ in outages(example))


def test_a_target_on_which_nothing_is_live_has_no_outage(example: Example) -> None:
    example.apply()
    processes.note_serving_end(example.services, "ewr", "no memory")
    assert outages(example) == []


def test_a_target_that_falls_silent_leaves_a_trace_once(example: Example) -> None:
    pulse = deploy(example)
    pulse.take_report(EWR)
    for _ in range(6):
        example.pass_time(seconds=5)
        pulse.beat()
    assert outages(example) == [("target.down", "ewr", "")]
