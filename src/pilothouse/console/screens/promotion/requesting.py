"""Requesting a version's promotion, and comparing it: shared by the list of versions and the version itself."""

from collections.abc import Sequence
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.models.version_stage import VersionStage
from pilothouse.domain.records import Version
from pilothouse.presentation.version_texts import history_note

ABSENT = "there is no version yet"


def refusal(version: Version | None, targets: Sequence[str]) -> str:
    """The reason why the promotion cannot be requested on the model's targets; empty if it can."""
    if version is None:
        return ABSENT
    if version.standing.stage is VersionStage.REFUSED:
        failed = ", ".join(gate.gate for gate in version.gates if gate.outcome is GateOutcome.FAILED)
        return f"version {version.number} was refused by its gates ({failed})"
    if targets and set(targets) <= set(version.live_on):
        return f"version {version.number} is live on every target already"
    return ""


def ask(view: View[Any], version: Version, targets: tuple[str, ...]) -> None:
    """Ask for the reason, then file the request."""
    reference = f"models:/{version.model}/{version.number}"
    left = [target for target in targets if target not in version.live_on]
    live = [target for target in targets if target in version.live_on]
    question = Ask(
        f"Request the promotion of {version.model} version {version.number}?",
        [
            f"Targets: {' '.join(left) or 'all of the model'}.",
            *([f"Not asked for, since it is live there already: {' '.join(live)}."] if live else []),
            *filter(None, [history_note(version.standing)]),
            "Its evidence is frozen now; approvers see it in their inbox. An open request for the same targets is superseded.",
        ],
        field="reason",
        confirm="request",
    )

    def operation(services: Any, actor: Any, reason: str) -> str:
        from pilothouse.operations.promotion import promotions

        request = promotions.request_promotion(services, actor, reference, reason=reason)
        return f"request {request.id} is {request.status}"

    view.confirm(question, operation)


def ask_compare(view: View[Any], version: Version, champion: int | None) -> None:
    """Ask for the version to compare with; the champion, or the version before, is proposed."""
    before = str(max(1, version.number - 1))
    question = Ask(
        f"Compare {version.model} version {version.number} with",
        ["A number, or an alias such as @champion."],
        field="version",
        required=True,
        value=before if champion in (None, version.number) else "@champion",
        confirm="compare",
    )

    def compare(text: str) -> None:
        reference = f"{version.model}{text}" if text.startswith("@") else f"{version.model}/{text}"
        view.open_view("compare", reference, f"{version.model}/{version.number}")

    view.ask(question, compare)
