"""Take the pictures of the documents: the console itself on a workspace, as SVG.

``python docs/pictures.py WORKSPACE [ACTOR]`` (``make pictures WORKSPACE=…``) on a workspace of ``pilothouse demo`` whose daemon
runs. They show what is in that workspace: the version that is live, its request, its training, the newest alert.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.console.screenshots import save_svg
from pilothouse.operations import alerts, catalogue, promotions, workspaces

MODEL = "flight-delay"

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = (120, 36), (80, 24)
_FONT_FACES = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is typed after ``:`` and then pressed; ``size`` is columns and rows."""

    name: str
    view: str
    size: tuple[int, int] = WIDE
    keys: tuple[str, ...] = ()


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
    Picture("past", "deployments", NARROW, ("at", *"2013-08-10", "enter")),
    Picture("job", "job {job}"),
    Picture("train", "train flight-delay"),
    Picture("deployments", "deployments"),
    Picture("alert", "alert {alert}"),
    Picture("alerts", "alerts", keys=("o",)),
    Picture("audit", "audit"),
    Picture("help", "evidence {request}", NARROW, ("question_mark",)),
)


def main(arguments: list[str]) -> int:
    """Write every picture to ``docs/images``."""
    root, actor = Path(arguments[0]), arguments[1] if len(arguments) > 1 else "petra"
    IMAGES.mkdir(exist_ok=True)
    names = look_up(root, actor)
    for picture in PICTURES:
        path = IMAGES / f"{picture.name}.svg"
        save_svg(
            root, actor, picture.view.format(**names), path, picture.size, user="operator", keys=picture.keys
        )
        path.write_text(portable(path.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{path.name}\n")
    return 0


def look_up(root: Path, actor: str) -> dict[str, int]:
    """The numbers that the pictures are of."""
    services = open_workspace(root)
    try:
        who = workspaces.identify(services, "operator", actor)
        run = catalogue.get_run(services, who, f"{MODEL}@champion")
        live = catalogue.get_version(services, who, f"{MODEL}@champion").number
        asked = promotions.list_requests(services, who)
        request = next(r.id for r in asked if (r.model, r.version) == (MODEL, live))
        alert = max(alerts.list_alerts(services, who, model=MODEL), key=lambda a: a.id).id
        return {"live": live, "request": request, "job": run.job_id, "alert": alert}
    finally:
        services.close()


def portable(svg: str) -> str:
    """A picture that asks no other server for fonts, and keeps its leading spaces whatever draws it."""
    local = _FONT_FACES.sub("", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return local.replace("<svg class=", '<svg xml:space="preserve" class=', 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
