"""Commands about jobs: train, reproduce, follow, cancel, retry."""

import time
from datetime import datetime, timedelta

import click

from pilothouse.cli.output import (
    json_option,
    limit_option,
    on_option,
    optional_reason_option,
    parse_time,
    printed_as_json,
    read_pages,
    say,
    say_rest,
    show_lines,
    show_pairs,
    show_rows,
    show_table,
)
from pilothouse.cli.session import Session
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.safe_text import safe_block
from pilothouse.domain.jobs.job_kinds import is_significant
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.replays import read_replay
from pilothouse.domain.listing import Query
from pilothouse.domain.models.assignments import parse_assignments
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.records import Job
from pilothouse.operations import listings
from pilothouse.operations.integrations import cluster
from pilothouse.operations.jobs import backfills, replays, searches, trainings
from pilothouse.operations.jobs import jobs as job_operations
from pilothouse.presentation import texts
from pilothouse.presentation.documents import Line
from pilothouse.presentation.pages.replay_page import replay_page
from pilothouse.presentation.pages.work_pages import job_facts
from pilothouse.presentation.tables.work_rows import job_table

_POLL_S = 0.3
_ALONE_S = 10.0
"""Seconds without a daemon after which nobody waits for a job: one that is started again is away for less."""


@click.command()
@click.argument("model")
@click.option("--as-of", metavar="TIME", help="Only rows whose outcome was known then.")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Override training.* or data.lookback."
)
@optional_reason_option
@click.option("--priority", default=0, show_default=True, help="-100 to 100: a higher one is taken first.")
@click.option("--deadline", metavar="TIME", help="End it where it has not ended by then.")
@click.option("--after", metavar="JOB", type=int, multiple=True, help="Only once that job has succeeded.")
@click.option("--fresh", is_flag=True, help="Run every step, also those of which nothing has changed.")
@click.option(
    "--wait",
    is_flag=True,
    help="Wait for the end; the exit code is 0 only if a version came out of it that its gates let pass.",
)
@json_option
@click.pass_obj
def train(
    session: Session,
    model: str,
    as_of: str | None,
    assignments: tuple[str, ...],
    reason: str,
    priority: int,
    deadline: str | None,
    after: tuple[int, ...],
    fresh: bool,
    wait: bool,
) -> int:
    """Start a training of MODEL; the daemon runs it."""
    options = trainings.TrainingOptions(
        as_of=parse_time(as_of) if as_of is not None else None,
        overrides=parse_assignments(assignments),
        fresh=fresh,
        priority=priority,
        deadline=parse_time(deadline) if deadline is not None else None,
        after=after,
    )
    job = trainings.start_training(session.services, session.actor, model, options, reason=reason)
    return started(session, job, wait)


@click.command()
@click.argument("reference")
@click.option("--wait/--no-wait", default=True, help="Wait for the answer (the default).")
@json_option
@click.pass_obj
def reproduce(session: Session, reference: str, wait: bool) -> int:
    """Train a version again from its record; say identical, or exactly what differs."""
    job = trainings.start_reproduction(session.services, session.actor, reference)
    return started(session, job, wait)


@click.command()
@click.option("--status", type=click.Choice([str(status) for status in JobStatus]), help="Only these.")
@click.option("--model", help="Only this model's.")
@click.option("--trials", is_flag=True, help="The trials of searches too.")
@limit_option
@json_option
@click.pass_obj
def jobs(session: Session, status: str | None, model: str | None, limit: int, trials: bool) -> None:
    """List jobs, newest first."""
    only = (("status", status), ("model", model), ("trial", None if trials else "no"))
    where = tuple((name, value) for name, value in only if value is not None)
    records, total = read_pages(
        lambda query: listings.jobs_page(session.services, session.actor, query), Query(where=where), limit
    )
    say_rest(len(records), total)
    if printed_as_json(session, records):
        return
    show_rows(
        job_table(
            records,
            session.services.now(),
            exact=True,
            hosts=cluster.job_hosts(session.services, session.actor, [job.id for job in records]),
        ),
        empty="no jobs: start one with pilothouse train MODEL",
    )


@click.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def job(session: Session, number: int) -> None:
    """Show one job."""
    record = job_operations.get_job(session.services, session.actor, number)
    if printed_as_json(session, record):
        return
    show_job(session, record)
    if (found := read_replay(record.result)) is not None:
        show_lines(
            [Line(), *replay_page(found, replays.inputs_of_examples(session.services, session.actor, found))]
        )


@click.command()
@click.argument("number", type=int)
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.pass_obj
def logs(session: Session, number: int, follow: bool) -> None:
    """Print a job's log."""
    offset = 0
    while True:
        ended = job_operations.get_job(session.services, session.actor, number).status.ended
        text, offset = job_operations.read_log(session.services, session.actor, number, offset=offset)
        click.echo(safe_block(text), nl=False)
        if not text:
            if ended or not follow:
                return
            time.sleep(_POLL_S)


@click.command()
@click.argument("number", type=int)
@optional_reason_option
@click.pass_obj
def cancel(session: Session, number: int, reason: str) -> None:
    """Cancel a job: at once where it waits, else its processes are ended."""
    cancelled = job_operations.cancel_job(session.services, session.actor, number, reason=reason)
    say(f"job {number}: {'cancelled' if cancelled.status.ended else 'its processes are being ended'}")


@click.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def retry(session: Session, number: int) -> None:
    """Queue an ended job once more, with the same inputs."""
    again = job_operations.retry_job(session.services, session.actor, number)
    if printed_as_json(session, again):
        return
    say(f"job {again.id} is queued")


@click.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def trials(session: Session, number: int) -> None:
    """Compare the candidates of a training's search, the best first."""
    lines = searches.list_trials(session.services, session.actor, number)
    if printed_as_json(session, lines):
        return
    folds = sorted({fold for line in lines for fold in line.scores})
    show_table(
        ("candidate", "state", "mean", *(f"fold {fold + 1}" for fold in folds), "parameters", "jobs"),
        (
            (line.candidate + 1, line.state, texts.figure(line.mean), *(texts.figure(line.scores.get(f)) for f in folds),
             texts.parameters_text(line.parameters), " ".join(map(str, line.jobs)))
            for line in lines
        ),
        empty="no trials",
    )  # fmt: skip


@click.command()
@click.argument("model")
@click.option("--from", "since", metavar="TIME", required=True, help="The first date.")
@click.option("--to", "until", metavar="TIME", required=True, help="The last date.")
@click.option("--every", metavar="DURATION", help='From one date to the next, e.g. "7d"; not for monitor.')
@click.option(
    "--what",
    type=click.Choice(["train", "backtest", "monitor"]),
    default="train",
    show_default=True,
    help="A training as of each date, a backtest of what is live on each window, or the monitors' closed windows again.",
)
@click.option("--version", type=int, help="Of monitor: this version's windows alone.")
@on_option("target", help="Of monitor: this target's windows alone.")
@click.option("--priority", default=-10, show_default=True, help="-100 to 100: a higher one is taken first.")
@optional_reason_option
@json_option
@click.pass_obj
def backfill(
    session: Session,
    model: str,
    since: str,
    until: str,
    every: str | None,
    what: str,
    version: int | None,
    target: str | None,
    priority: int,
    reason: str,
) -> None:
    """Queue one job of MODEL for each of a range of past dates; asking again queues only what is missing.

    With --what monitor the windows that its monitors have closed there are computed again, at once and without alerts.
    """
    first, last = parse_time(since), parse_time(until)
    if what == "monitor":
        _backfill_monitoring(session, model, first, last, version, target, reason)
        return
    if every is None:
        raise click.UsageError("--every: expected a duration from one date to the next, e.g. 7d")
    dates = backfills.backfill(
        session.services,
        session.actor,
        model,
        backfills.PastDates(first, last, timedelta(seconds=parse_duration(every))),
        kind="backtest" if what == "backtest" else "train",
        priority=priority,
        reason=reason,
    )
    if printed_as_json(session, dates):
        return
    show_table(
        ("as of", "job", "status", "is"),
        ((texts.time_text(d.at), d.job.id, d.job.status, "queued now" if d.new else "there before") for d in dates),
        empty="no dates",
    )  # fmt: skip


def _backfill_monitoring(
    session: Session,
    model: str,
    since: datetime,
    until: datetime,
    version: int | None,
    target: str | None,
    reason: str,
) -> None:
    from pilothouse.operations.monitoring import monitor_backfills

    results = monitor_backfills.backfill_monitoring(
        session.services, session.actor, model, since, until, version=version, target=target, reason=reason
    )
    if printed_as_json(session, results):
        return
    show_table(
        ("version", "target", "monitor", "from", "to", "windows"),
        (
            (f.version, f.target, f.monitor, texts.time_text(f.since), texts.time_text(f.until),
             ", ".join(f"{count} {outcome}" for outcome, count in sorted(f.outcomes.items())))
            for f in results
        ),
        empty="no window that was closed lies in there",
    )  # fmt: skip


def started(session: Session, job: Job, wait: bool) -> int:
    """Report that a job is queued, or wait for its end. Returns the exit code."""
    say_without_daemon(session, job)
    if not wait:
        if not printed_as_json(session, job):
            say(f"job {job.id} is queued; follow it with pilothouse logs -f {job.id}")
        return 0
    job = followed(session, job)
    if not printed_as_json(session, job):
        show_job(session, job)
    if job.refused_by:
        say(f"{job.model}/{job.version} was refused by its gates: {', '.join(job.refused_by)}")
    elif job.kind == "train" and job.version:
        say(f"next: pilothouse show {job.model}/{job.version}, pilothouse request {job.model}/{job.version}")
    well = job.result.get("identical", True) and not is_significant(job.result) and not job.refused_by
    return 0 if job.status is JobStatus.SUCCEEDED and well else 1


def say_without_daemon(session: Session, job: Job) -> None:
    """Say that a job waits, where no daemon runs."""
    from pilothouse.operations.fleet import processes

    if not job.status.ended and not processes.daemon_state(session.services).running:
        say("no daemon runs, so the job waits: start one with pilothouse daemon start")


def followed(session: Session, job: Job) -> Job:
    """Wait for the end of a job, telling its steps. Raises UnavailableError where no daemon runs that could end it."""
    from pilothouse.operations.fleet import processes

    shown, alone_since = "", float("inf")
    while not job.status.ended:
        is_alone = not processes.daemon_state(session.services).running
        alone_since = min(alone_since, time.monotonic()) if is_alone else float("inf")
        if time.monotonic() - alone_since >= _ALONE_S:
            raise UnavailableError(
                f"no daemon runs, so job {job.id} stays {job.status}: start one with pilothouse daemon start, "
                f"and follow the job with pilothouse logs -f {job.id}"
            )
        line = f"{job.status} {job.step} {job.progress:.0%} {job.message}".strip()
        if line != shown:
            say(f"job {job.id}: {line}")
            shown = line
        time.sleep(_POLL_S)
        job = job_operations.get_job(session.services, session.actor, job.id)
    return job


def show_job(session: Session, job: Job) -> None:
    show_pairs(
        (
            ("job", job.id),
            ("kind", job.kind),
            ("model", job.model),
            ("version", job.version or "–"),
            ("ended", texts.time_text(job.ended_at) if job.ended_at else "–"),
        )
    )
    before = job_operations.attempts_before(session.services, session.actor, job.id)
    figures = f"pilothouse show {job.model}/{job.version}"
    places = job_operations.places_of(session.services, session.actor, job.id)
    show_lines(job_facts(job, session.services.now(), before, figures=figures, places=places))
