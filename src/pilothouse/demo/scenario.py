"""The story in order: train, gate, approve, deploy, serve, watch, retrain, roll out; then the report, read from the store."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.demo import report, rollouts, steps, workspace
from pilothouse.demo.client import HubClient, ServingClient
from pilothouse.demo.progress import Progress
from pilothouse.demo.replay import Lane, Tally, replay
from pilothouse.demo.rollouts import Watch
from pilothouse.demo.steps import Demo
from pilothouse.demo.traffic import Stream, read_streams
from pilothouse.domain.confinement import confines, describe, in_short, unheld
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.jobs.replays import KIND
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.records import RequestStatus, VersionStatus
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.operations import catalogue
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import replays
from pilothouse.operations.jobs import trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.rollouts import views

FLIGHTS, BIKES = "flight-delay", "bike-demand"
FIRST_DAY = {FLIGHTS: steps.day(2013, 4, 2), BIKES: steps.day(2011, 3, 1)}
"""Training uses what is known by then; the replay begins there."""
HOURS_A_REQUEST = {FLIGHTS: 1, BIKES: 6}
"""An airport's hour is about 17 flights; the city's hour is one row."""
STORY_ENDS = date(2013, 11, 1)
_BAD_CANDIDATE: dict[str, str | int | float | bool] = {
    "training.parameters.max_iter": 1,
    "training.parameters.max_leaf_nodes": 2,
}
_WAITS = (2, 6)
"""Days of a week at whose end the replay waits: the one by which a week's windows are closed, so that what follows from them
begins then and not when the machine's speed has it, and the last."""
DRILL_DAYS = 14
"""Days after the story's end at most in which the drill's version is to come back."""
_DOING = {"train": "retraining", KIND: "replaying"}
_NEWEST_ONLY: dict[str, str | int | float | bool] = {"data.lookback": "90d"}


def start_demo(root: Path, progress: Progress) -> Demo:
    """From model files to versions that answer: apply, train, refuse a bad one, ask, approve, deploy."""
    offered = probe.offered()
    confined = confines(offered)
    process = control.start_in_background(root, isolation="require" if confined else "warn")
    progress.say(
        f"the daemon runs, pid {process.pid}; jobs and models are "
        + (
            f"confined by {in_short(describe(offered))}"
            if confined
            else f"NOT confined: nothing here holds {', '.join(unheld(offered))}"
        )
    )
    demo = steps.open_demo(open_workspace(root), progress)
    steps.apply(demo)
    for model in (FLIGHTS, BIKES):
        _train(demo, model, FIRST_DAY[model], "first model, on the winter", {})
    refused = _train(demo, FLIGHTS, FIRST_DAY[FLIGHTS], "a single stump: a bad candidate", _BAD_CANDIDATE)
    progress.say(f"{workspace.SCIENTIST} asks for it all the same: {steps.expect_refusal(demo, refused)}")
    for model in (FLIGHTS, BIKES):
        request = steps.request(demo, version_uri(model, 1))
        if steps.approve(demo, request.id).status is RequestStatus.APPROVED:
            rollouts.first(demo, request.id)
    steps.wait_until_serving(demo)
    for model in (FLIGHTS, BIKES):
        progress.say(f"{model} version 1 answers on {' '.join(steps.live_versions(demo, model))}")
    return demo


def play(demo: Demo, days: int) -> Tally:
    """Replay ``days`` days; twice a week wait for monitors and jobs, and decide what is asked."""
    lanes = make_lanes(demo, FIRST_DAY, days)
    tally, watch = Tally(), rollouts.Watch(demo, lanes)

    def day_done(number: int, today: Mapping[str, date]) -> None:
        announce(demo, lanes, number + 1, days, today)
        where = f"{today[lanes[0].stream.target]:%d %b}"
        demo.progress.update(f"replaying {where}: {tally.rows:,} rows in {tally.requests:,} requests")
        if number % 7 in _WAITS or number == days - 1:
            settle(demo, tally, watch)
        elif watch.goes_on:
            stored(demo, tally)
            watch.settle()

    demo.progress.say(f"replaying {days} days as real requests, outcomes a day later")
    replay(lanes, days, day_done=day_done, tally=tally)
    settle(demo, tally, watch)
    demo.progress.say(
        f"replayed {tally.rows:,} rows in {tally.requests:,} requests, {tally.outcomes:,} outcomes"
    )
    return tally


def announce(demo: Demo, lanes: Sequence[Lane], day: int, days: int, today: Mapping[str, date]) -> None:
    """Let every console say how far the replay is: ``day`` days of ``days``, each model on its own calendar."""
    clocks = {lane.stream.model: today[lane.stream.target] for lane in lanes}
    replays.announce(demo.services, day, days, clocks)


def make_lanes(demo: Demo, first: Mapping[str, datetime], days: int) -> list[Lane]:
    """A stream with its clients for each target of the models, each from its own first day on."""
    lanes = []
    for model, since in first.items():
        spec = catalogue.get_spec(demo.services, demo.approver, model)
        for stream in read_streams(
            spec,
            demo.services.paths.models,
            since,
            since + timedelta(days=days),
            hours=HOURS_A_REQUEST[model],
        ):
            lanes.append(_lane(demo, stream))
    return lanes


def stored(demo: Demo, tally: Tally) -> None:
    """Wait until what was sent is stored and judged."""
    steps.wait(
        demo,
        lambda: monitoring_round.is_caught_up(demo.services, events=tally.rows),
        "waiting for the monitors",
        "the monitors did not catch up with what was sent",
        progress=demo.services.telemetry.data_version,
    )


def settle(demo: Demo, tally: Tally, watch: Watch) -> None:
    """Wait until what was sent is stored and judged and no job runs; the approver decides what is asked meanwhile, and
    roll-outs take the steps that follow."""
    known = {alert.id for alert in alerts.list_alerts(demo.services, demo.approver)}
    stored(demo, tally)
    for alert in sorted(alerts.list_alerts(demo.services, demo.approver), key=lambda a: a.id):
        if alert.id not in known:
            demo.progress.say(f"{alert.effective_at:%d %b}  alert: {alert.summary}")
    while running := steps.running_jobs(
        demo
    ):  # a training is followed by the replay that its model file asks for
        for job in running:
            demo.progress.say(f"{_DOING.get(job.kind, job.kind)} {job.model}: {job.reason}")
            done = steps.wait_for_job(demo, job)
            if done.kind == KIND:
                demo.progress.say(f"  {version_uri(job.model, job.version or 0)} {steps.replay_text(done)}")
    for request in promotions.waiting_for(demo.services, demo.approver):
        steps.approve(demo, request.id)
    steps.wait_until_serving(demo)
    watch.settle()


def finish(demo: Demo, days: int, tally: Tally) -> Rollout | None:
    """A challenger trained on the newest rows alone meets the gates and answers the recorded traffic; the champion is trained
    again from its record; then the drill. Returns the drill's roll-out."""
    as_of = FIRST_DAY[FLIGHTS] + timedelta(days=days)
    challenger = _train(demo, FLIGHTS, as_of, "challenger on the newest 90 days alone", _NEWEST_ONLY)
    demo.progress.say(f"{challenger} {steps.replay(demo, challenger)}")
    job = trainings.start_reproduction(demo.services, demo.scientist, version_uri(FLIGHTS, 1))
    done = steps.wait_for_job(demo, job)
    demo.progress.say(
        f"{version_uri(FLIGHTS, 1)} trained again from its record: {report.reproduction_text(done)}"
    )
    return drill(demo, as_of, tally)


def drill(demo: Demo, as_of: datetime, tally: Tally) -> Rollout | None:
    """A version that is made worse on purpose, in a way that no gate sees, goes out with the traffic of the days that follow
    until it has come back by itself. Returns its roll-out; None where an earlier one has not ended."""
    if views.list_rollouts(demo.services, demo.approver, model=FLIGHTS, unfinished=True):
        demo.progress.say(f"no drill: a roll-out of {FLIGHTS} goes on")
        return None
    with rollouts.spoiled(demo.services.paths.root / "data" / "flights.parquet") as what:
        worse = _train(demo, FLIGHTS, as_of, f"drill: {what}", _NEWEST_ONLY)
    demo.progress.say(f"{worse} {steps.replay(demo, worse)}")
    request = steps.request(demo, worse, "drill: is a version that is worse taken back by itself?")
    steps.approve(demo, request.id, "drill: the gates passed, and the replay says what it is")
    lanes = make_lanes(demo, {FLIGHTS: as_of}, DRILL_DAYS)
    watch = Watch(demo, lanes)
    watch.settle()

    def day_done(number: int, today: Mapping[str, date]) -> bool:
        stored(demo, tally)
        return not watch.settle()

    replay(lanes, DRILL_DAYS, day_done=day_done, tally=tally)
    for job in steps.running_jobs(demo):
        steps.wait_for_job(demo, job)
    return views.rollout_of_request(demo.services, demo.approver, request.id)


def _train(
    demo: Demo, model: str, as_of: datetime, why: str, overrides: dict[str, str | int | float | bool]
) -> str:
    job = steps.train(demo, model, as_of, why, overrides)
    assert job.version is not None
    version = catalogue.get_version(demo.services, demo.scientist, version_uri(model, job.version))
    metric = version.metric(catalogue.primary_metric(demo.services, demo.scientist, model))
    figure = (
        f"{metric.metric} {metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"
        if metric
        else "no metric"
    )
    demo.progress.say(f"{version_uri(model, version.number)} ({why}): {figure}, {version.status}")
    if version.status is VersionStatus.REFUSED:
        for gate in version.gates:
            if gate.outcome is GateOutcome.FAILED:
                demo.progress.say(f"  gate {gate.gate}: {gate.reason}")
    return version_uri(model, version.number)


def _lane(demo: Demo, stream: Stream) -> Lane:
    paths = demo.services.paths
    token = paths.serving_folder(stream.target) / "token"
    client = ServingClient(stream.target, lambda: workspace.serving_port(paths, stream.target))
    return Lane(stream, client, HubClient(paths.hub_socket, token))
