"""The command that shows stored predictions."""

import click

from pilothouse.cli.output import json_option, printed_as_json, show_lines
from pilothouse.cli.session import Session


@click.command()
@click.argument("id")
@json_option
@click.pass_obj
def prediction(session: Session, id: str) -> None:  # noqa: A002 - named for people
    """What is stored of a prediction: version, time, answer, outcome, features, trace.

    ID is the one that its answer gave, or that came with it. A trace id (32 hexadecimal digits), or a whole traceparent,
    shows the predictions of the requests of that trace.
    """
    from pilothouse.operations.monitoring import stored_predictions
    from pilothouse.presentation.pages.prediction_page import prediction_page

    found = stored_predictions.find(session.services, session.actor, id)
    if not printed_as_json(session, found):
        show_lines(prediction_page(found, stored_predictions.MOST))
