"""What the registry knows of living processes, and how often it is written."""

from dataclasses import replace
from datetime import timedelta

from fixtures.registries import Example
from pilothouse.domain.wire import ServingReport
from pilothouse.operations.fleet import health, processes
from pilothouse.operations.promotion import promotions
from pilothouse.presentation.tables.registry_rows import serving_text
from pilothouse.store import processes as stored
from pilothouse.system.leader import leadership

EWR = ServingReport("ewr", 8_080, 7, {"delay": 1}, {}, 0, {"delay": 4_000})
JFK = replace(EWR, target="jfk")


def deploy(example: Example) -> processes.Pulse:
    example.apply()
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
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


def test_the_daemon_is_who_holds_the_lock(example: Example) -> None:
    assert not processes.daemon_state(example.services).running
    with leadership(example.services.paths.daemon_lock):
        unannounced = processes.daemon_state(example.services)
        name = processes.announce_daemon(example.services, "none")
        announced = processes.daemon_state(example.services)
    assert (unannounced.pid, unannounced.started_at) == (name.pid, None)
    assert (announced.pid, announced.started_at, announced.isolation) == (name.pid, example.time, "none")
