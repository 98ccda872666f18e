"""What is stored of a prediction, or of those of a trace."""

from collections.abc import Sequence

from pilothouse.console.screens.page import PageView
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.stored_predictions import StoredPrediction
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.prediction_page import prediction_page


class PredictionView(PageView[tuple[StoredPrediction, ...]]):
    """``:prediction ID`` shows one, ``:prediction TRACE`` those of a trace."""

    SCOPE = "prediction"
    TOP = "monitor"
    RECORD_NAME = "a prediction"

    def crumbs(self) -> Sequence[str]:
        return ("monitor", "prediction", self.number)

    def load(self, services: Services, actor: Actor) -> tuple[StoredPrediction, ...]:
        from pilothouse.operations.monitoring import stored_predictions

        return tuple(stored_predictions.find(services, actor, self.number))

    def show(self, data: tuple[StoredPrediction, ...]) -> None:
        from pilothouse.operations.monitoring.stored_predictions import MOST

        self.put_page(prediction_page(data, MOST))

    def subject_model(self) -> str:
        return self.data[0].model if self.data else ""

    def refusal(self, action: Action) -> str:
        return "" if self.data else "the prediction is not there"

    def do_version(self) -> None:
        if self.data:
            self.open_view("version", f"{self.data[0].model}/{self.data[0].version}")

    def do_monitor(self) -> None:
        if self.data:
            self.open_view("monitor", self.data[0].model, self.data[0].target)
