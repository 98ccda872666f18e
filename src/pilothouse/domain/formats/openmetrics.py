"""Page of metrics as scrapers read it: the text format of Prometheus (0.0.4), or OpenMetrics 1.0 for one that asks for it.

Names have no other signs than letters, digits and underscores, so that a scraper that escapes others sees no two as one.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

Labels = Mapping[str, str] | str
"""Labels of a sample; a text is what ``label_text`` gives, for many samples of one thing."""


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one name. A sample is the end of its name, its labels and its value."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]
    unit: str = ""


def wants_openmetrics(accept: str) -> bool:
    """True for a scraper that takes OpenMetrics, unless it says that it would rather have text."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(",", 20)[:20]:
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weights[kind] = max(weights.get(kind, 0.0), float(weight))
        except ValueError:
            continue
    openmetrics = weights.get("application/openmetrics-text", 0.0)
    return openmetrics > 0 and openmetrics >= weights.get("text/plain", 0.0)


def page(families: Iterable[Family], *, openmetrics: bool) -> bytes:
    """Body of the page."""
    lines = [line for family in families for line in _lines(family, openmetrics)]
    if openmetrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def label_text(labels: Mapping[str, str]) -> str:
    """Labels as they stand between the braces."""
    return ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())


def labels_of(labels: Labels) -> dict[str, str]:
    """Labels of a sample by name, also where they are written as a text."""
    if not isinstance(labels, str):
        return dict(labels)
    return {
        name: _ESCAPE.sub(lambda e: {"n": "\n"}.get(e[1], e[1]), text) for name, text in _PAIR.findall(labels)
    }


def _lines(family: Family, openmetrics: bool) -> Iterator[str]:
    name, kind = family.name, family.kind
    if not openmetrics:  # its counters carry their ending, and it knows no infos
        name += {"counter": "_total", "info": "_info"}.get(kind, "")
        kind = "gauge" if kind == "info" else kind
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {kind}"
    if openmetrics and family.unit:
        yield f"# UNIT {name} {family.unit}"
    for ending, labels, value in family.samples:
        pairs = labels if isinstance(labels, str) else label_text(labels)
        braces = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}{ending}{braces} {value if not isinstance(value, float) else _number(value)}"


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
