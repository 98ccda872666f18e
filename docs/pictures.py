"""Take the pictures of the documents: the console itself on a workspace, as SVG.

``python docs/pictures.py WORKSPACE [ACTOR [NAME …]]`` (``make pictures WORKSPACE=…``) on a workspace of ``pilothouse demo``
whose daemon runs; with names only those pictures. They show what is in that workspace: the version that is live, its request,
its training, the newest alert. What the demo has none of is taken where somebody has seen to it: a search, a trigger, a legal
hold, outcomes that wait, a roll-out under way; incidents that go on where the story was told ``--until`` June of 2013. On a
workspace of the tutorial after its sixth step, its own picture.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.console.screenshots import save_svg
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Query
from pilothouse.operations import catalogue
from pilothouse.operations.alerts import alerts, incidents
from pilothouse.operations.automation import triggers
from pilothouse.operations.fleet import fleet
from pilothouse.operations.ingest import outcome_lists
from pilothouse.operations.jobs import searches
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention
from pilothouse.operations.workspace import workspaces

MODEL = "flight-delay"

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = (120, 36), (80, 24)
_FONT_FACES = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is typed after ``:`` and then pressed; ``size`` is columns and rows. Taken only where there is what it ``needs``."""

    name: str
    view: str
    size: tuple[int, int] = WIDE
    keys: tuple[str, ...] = ()
    needs: str = ""


PICTURES = (
    Picture("overview", "overview"),
    Picture("overview-80x24", "overview", NARROW),
    Picture("versions", "versions flight-delay"),
    Picture("version", "version flight-delay/{live} gates"),
    Picture("lineage", "lineage flight-delay/{live}"),
    Picture("affected", "affected flight-delay/1"),
    Picture("compare", "compare flight-delay/1 flight-delay/{live}"),
    Picture("evidence", "evidence {request}"),
    Picture("monitor", "monitor flight-delay jfk", (120, 40)),
    Picture("heat-map", "monitor flight-delay jfk", NARROW, ("x",)),
    Picture("distribution", "monitor flight-delay jfk", NARROW, ("enter",)),
    Picture("fleet", "fleet", NARROW),
    Picture("roll-out", "fleet", NARROW, needs="roll_out"),
    Picture("history", "history flight-delay"),
    Picture("past", "deployments", NARROW, ("at", *"2013-08-10", "enter")),
    Picture("outcomes", "outcomes waiting", NARROW, needs="waiting"),
    Picture("conflicts", "outcomes conflicts", NARROW, needs="conflict"),
    Picture("job", "job {job}"),
    Picture("trials", "trials {search}", needs="search"),
    Picture("train", "train flight-delay"),
    Picture("deployments", "deployments"),
    Picture("alert", "alert {alert}"),
    Picture("alerts", "alerts", needs="going_on"),
    Picture("all-incidents", "alerts", keys=("o", "O", "O", "home")),
    Picture("incident", "incident {incident}"),
    Picture("triggers", "triggers", needs="trigger"),
    Picture("legal-holds", "legal-holds", NARROW, needs="hold"),
    Picture("audit", "audit"),
    Picture("help", "evidence {request}", NARROW, ("question_mark",)),
    Picture("tutorial-monitor", "monitor rentals local", (100, 32), needs="tutorial"),
)


def main(arguments: list[str]) -> int:
    """Write every picture to ``docs/images``."""
    root, actor = Path(arguments[0]), arguments[1] if len(arguments) > 1 else "petra"
    IMAGES.mkdir(exist_ok=True)
    user = "operator" if actor == "petra" else actor  # the demo lets one act as another
    names = look_up(root, user, actor)
    for picture in PICTURES:
        if (arguments[2:] and picture.name not in arguments[2:]) or not names.get(
            picture.needs, "live" in names
        ):
            continue
        path = IMAGES / f"{picture.name}.svg"
        save_svg(root, actor, picture.view.format(**names), path, picture.size, user=user, keys=picture.keys)
        path.write_text(portable(path.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{path.name}\n")
    return 0


def look_up(root: Path, user: str, actor: str) -> dict[str, int]:
    """The numbers that the pictures are of."""
    services = open_workspace(root)
    try:
        who = workspaces.identify(services, user, actor)
        if MODEL not in {model.name for model in catalogue.list_models(services, who)}:
            return {"tutorial": 1}
        run = catalogue.get_run(services, who, f"{MODEL}@champion")
        live = catalogue.get_version(services, who, f"{MODEL}@champion").number
        asked = promotions.list_requests(services, who)
        request = next(r.id for r in asked if (r.model, r.version) == (MODEL, live))
        alert = max(alerts.list_alerts(services, who, model=MODEL), key=lambda a: a.id).id
        by_cost = Query(sort="cost", descending=True, where=(("model", MODEL),), after=1)
        return {
            "live": live,
            "request": request,
            "job": run.job_id,
            "alert": alert,
            "incident": incidents.incidents_page(services, who, by_cost).rows[0].id,
            **_seen_to(services, who),
        }
    finally:
        services.close()


def _seen_to(services: Services, who: Actor) -> dict[str, int]:
    """What the demo does not do by itself: its number, or how much there is; 0 where there is none."""
    first = Query(after=1)
    try:
        search = searches.search_of(services, who).job.id
    except NotFoundError:
        search = 0
    return {
        "search": search,
        "going_on": len(incidents.list_incidents(services, who, unresolved=True)),
        "trigger": len(triggers.list_events(services, who)),
        "hold": len(retention.list_holds(services, who)),
        "waiting": outcome_lists.waiting_page(services, who, first).total or 0,
        "conflict": outcome_lists.conflicts_page(services, who, first).total or 0,
        "roll_out": len(fleet.fleet(services, who).roll_outs),
    }


def portable(svg: str) -> str:
    """A picture that asks no other server for fonts, and keeps its leading spaces whatever draws it."""
    local = _FONT_FACES.sub("", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return local.replace("<svg class=", '<svg xml:space="preserve" class=', 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
