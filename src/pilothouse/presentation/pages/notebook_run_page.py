"""Page of a notebook run, and several beside each other."""

from collections.abc import Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.jobs.notebook_runs import NotebookRun, compared
from pilothouse.presentation.cell import Cell, cell
from pilothouse.presentation.documents import Line, aligned, pairs, section, text_line
from pilothouse.presentation.tables.notebook_run_rows import NOTE, run_pairs

_LONGEST = 60


def notebook_run_page(run: NotebookRun) -> list[Line]:
    """Everything that is on record of a run."""
    metrics = [
        (
            cell(name),
            Cell(f"newest {points[-1].value:.6g}", "strong"),
            Cell(f"{min(p.value for p in points):.6g} to {max(p.value for p in points):.6g}", "dim"),
            Cell(f"{len(points):,} value{'s' if len(points) > 1 else ''}", "dim"),
        )
        for name, points in sorted(run.content.metrics.items())
    ]
    packages = run.environment.get("packages", {})
    return [
        *pairs(run_pairs(run)),
        Line(),
        *section("Metrics", aligned(metrics)),
        *section("Parameters", pairs(sorted(run.content.parameters.items()))),
        *section("Packages", pairs(sorted((str(name), str(one)) for name, one in packages.items()))),
        text_line(f"{NOTE[0].upper()}{NOTE[1:]}.", "dim"),
    ]


def runs_beside(runs: Sequence[NotebookRun]) -> list[Line]:
    """Parameters and newest metrics of several runs beside each other; what differs stands out."""
    head = (Cell(""), *(Cell(run.uri, "strong") for run in runs))
    lines: list[Line] = []
    found = compared(runs)
    for kind, title in (("parameter", "Parameters"), ("metric", "Newest metrics"), ("data", "Data")):
        rows = []
        for of_kind, name, values in found:
            if of_kind == kind:
                differs = len(set(values)) > 1
                shown = [f"{v:.6g}" if isinstance(v, float) else v for v in values]
                cells = [
                    cell(v if v is None else safe(v, _LONGEST), "info" if differs else "dim") for v in shown
                ]
                rows.append((Cell(safe(name, _LONGEST), "strong" if differs else "dim"), *cells))
        lines += section(title, aligned([head, *rows]) if rows else [])
    return lines or [text_line("nothing was logged by any of them")]
