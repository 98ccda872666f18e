"""The inbox: promotion requests, those that wait for the user first."""

from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.work_rows import request_table


class ApprovalsView(TableView[PromotionRequest]):
    """Enter shows the evidence."""

    SCOPE = TOP = "approvals"
    NO_HEALTH = "a request has no health: o shows closed ones too, / filters"
    _all = False

    def crumbs(self) -> tuple[str, ...]:
        return ("approvals", "all" if self._all else "open")

    def load(self, services: Services, actor: Actor) -> ListData[PromotionRequest]:
        from pilothouse.operations.promotion import promotions

        status = None if self._all else RequestStatus.OPEN
        requests = promotions.list_requests(services, actor, status)
        mine = frozenset(request.id for request in promotions.waiting_for(services, actor))
        return list_data(requests, request_table(requests, mine, services.now()), lambda r: r.id)

    def refusal(self, action: Action) -> str:
        return "no request is open; o shows closed ones" if action.name == "open" and not self.key else ""

    def do_open(self) -> None:
        self.open_view("evidence", self.key)

    def do_all(self) -> None:
        self._all = not self._all
        self.invalidate()
