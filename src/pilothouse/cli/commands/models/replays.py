"""Command about replays: a version over recorded production traffic."""

import click

from pilothouse.cli.commands.models.jobs import followed, say_without_daemon, show_job, started
from pilothouse.cli.output import json_option, parse_time, printed_as_json, show_lines
from pilothouse.cli.session import Session
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.replays import is_worse, read_replay
from pilothouse.operations.jobs import replays
from pilothouse.presentation.pages.replay_page import replay_page


@click.command()
@click.argument("reference")
@click.option(
    "--against",
    metavar="REFERENCE",
    help="The version to compare with; else the one that is live on the targets.",
)
@click.option(
    "--from",
    "since",
    metavar="TIME",
    help="Rows from this time on; else as long before --to as promotion.replay says, or 28 days.",
)
@click.option(
    "--to",
    "until",
    metavar="TIME",
    help="Rows before this time; else up to the end of the newest day with traffic.",
)
@click.option(
    "--on", "targets", metavar="TARGET", multiple=True, help="Only rows served there; may be repeated."
)
@click.option("--rows", type=int, help="A stratified sample of so many rows; else every stored row.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the sample: the same seed draws the same rows.",
)
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--wait/--no-wait", default=True, help="Wait for the result (the default).")
@json_option
@click.pass_obj
def replay(
    session: Session,
    reference: str,
    against: str | None,
    since: str | None,
    until: str | None,
    targets: tuple[str, ...],
    rows: int | None,
    seed: int,
    reason: str,
    wait: bool,
) -> int:
    """Have a version answer recorded production traffic again, beside the version that is live.

    It runs as a job of the daemon. The exit code is 0 only if the job came to its end and the version is not shown to be
    worse where outcomes are known.
    """
    options = replays.ReplayOptions(
        against=against,
        since=parse_time(since) if since is not None else None,
        until=parse_time(until) if until is not None else None,
        targets=targets,
        rows=rows,
        seed=seed,
    )
    job = replays.start_replay(session.services, session.actor, reference, options, reason=reason)
    if not wait:
        return started(session, job, wait=False)
    say_without_daemon(session, job)
    job = followed(session, job)
    found = read_replay(job.result)
    if not printed_as_json(session, job):
        if found is None:
            show_job(session, job)
        else:
            inputs = replays.inputs_of_examples(session.services, session.actor, found)
            show_lines(replay_page(found, inputs))
    return 0 if job.status is JobStatus.SUCCEEDED and found is not None and not is_worse(found) else 1
