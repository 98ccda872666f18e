"""The command metrics: the daemon's page, without a daemon."""

import click

from pilothouse.cli.output import json_option, printed_as_json
from pilothouse.cli.session import Session
from pilothouse.domain.formats import openmetrics as metrics_format
from pilothouse.domain.integrations.metric_table import families
from pilothouse.operations.integrations import metrics as operations


@click.command()
@click.option(
    "--openmetrics", is_flag=True, help="In OpenMetrics 1.0; in the text format of Prometheus otherwise."
)
@json_option
@click.pass_obj
def metrics(session: Session, openmetrics: bool) -> None:
    """Print the page of metrics by what is on record; what only the running daemon knows is left out."""
    found = list(families(operations.gather(session.services, session.actor)))
    shown = [
        {
            "name": family.name,
            "kind": family.kind,
            "help": family.help,
            "samples": [
                {"name": f"{family.name}{ending}", "labels": metrics_format.labels_of(labels), "value": value}
                for ending, labels, value in family.samples
            ],
        }
        for family in (found if session.as_json else ())
    ]
    if printed_as_json(session, shown):
        return
    click.echo(metrics_format.page(found, openmetrics=openmetrics).decode(), nl=False)
