"""The pages of a version, and two versions side by side."""

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.models.evaluation import ColumnSummary, MetricValue
from pilothouse.domain.promotion.decisions import DecisionOn
from pilothouse.domain.records import Run, Snapshot, Version
from pilothouse.presentation.cells import Cell, Tone, cell, gate_cell, metric_cells
from pilothouse.presentation.decision_texts import decision_text
from pilothouse.presentation.documents import Line, aligned, pairs, section, text_line
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import (
    ABSENT,
    code_text,
    count_text,
    figure,
    flatten,
    parameter_text,
    size_text,
    time_text,
    value_text,
)
from pilothouse.presentation.version_texts import classes_text, portable_text, standing_text

PAGES = ("summary", "metrics", "gates", "parameters", "data", "code")
"""The pages of a version but for its lineage."""


class ComparedRow(Protocol):
    """A fact of two versions."""

    @property
    def group(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def a(self) -> str: ...
    @property
    def b(self) -> str: ...
    @property
    def differs(self) -> bool: ...
    @property
    def note(self) -> str: ...


class Answering(Protocol):
    """A target on which a version answers."""

    @property
    def target(self) -> str: ...
    @property
    def url(self) -> str: ...


def version_page(
    page: str,
    version: Version,
    run: Run,
    answering: Sequence[Answering] = (),
    classes: Sequence[str] = (),
    command: str = "",
    signed: Sequence[DecisionOn] = (),
) -> list[Line]:
    """One page. For the summary: ``answering``, the addresses at which the version can be asked, ``classes``, what it may
    answer, ``command``, which asks it, and ``signed``, the decisions on it that have a second component."""
    if page == "summary":
        return [
            *_summary(version, run, answering, classes),
            *section("Signed decisions", (text_line(decision_text(one), hang=2) for one in signed)),
            *(section("Ask for a prediction", [text_line(command, hang=2)]) if command else []),
        ]
    return {
        "metrics": _metrics,
        "gates": _gates,
        "parameters": _parameters,
        "data": _data,
        "code": _code,
    }[page](version, run)


def gate_lines(version: Version) -> list[Line]:
    """Each gate with its verdict and reason."""
    return aligned(
        (
            gate_cell(gate.outcome, gate.doubt),
            Cell(safe(gate.gate), "strong"),
            Cell(safe(gate.reason, 1_000)),
        )
        for gate in version.gates
    )


def metric_lines(metrics: Iterable[MetricValue]) -> list[Line]:
    """Metric, value, interval and rows of each metric; the slice first where there is one."""
    rows = []
    for metric in metrics:
        value, interval = metric_cells(metric)
        where = [Cell(safe(metric.slice))] if metric.slice else []
        rows.append(
            (
                *where,
                Cell(safe(metric.metric)),
                Cell(value, "strong"),
                Cell(interval, "dim"),
                Cell(f"{count_text(metric.rows)} rows", "dim"),
            )
        )
    return aligned(rows)


def _summary(
    version: Version, run: Run, answering: Sequence[Answering], classes: Sequence[str]
) -> list[Line]:
    whole = [metric for metric in version.metrics if not metric.slice]
    facts = [
        ("stage", standing_text(version.standing)),
        ("live on", " ".join(version.live_on) or "nowhere"),
        *((f"ask {one.target}", one.url) for one in answering),
        *([("classes", classes_text(classes))] if classes else []),
        ("aliases", " ".join(version.aliases) or ABSENT),
        ("started", f"{time_text(run.started_at)} by {run.started_by}, job {run.job_id}"),
        ("why", run.reason or "no reason given"),
        ("as of", time_text(run.as_of) if run.as_of else "all rows"),
        ("rows", _split(run.snapshot)),
        ("took", f"{run.duration_s:.1f} s, {run.peak_memory_mb:.0f} MB at most"),
        ("code", code_text(run.code)),
        ("model file", f"{size_text(version.model_bytes)}, sha256 {version.model_digest[:16]}…"),
        *([("portable form", portable_text(version.portable))] if version.portable else []),
    ]
    if run.triggered_by_alert:
        facts.insert(5 + len(answering) + bool(classes), ("alert", str(run.triggered_by_alert)))
    return [
        *section("On record", pairs(facts, {"live on": "good", "stage": "strong"})),
        *section("Metrics on the hold-out, 95 % interval", metric_lines(whole)),
        *section("Gates", gate_lines(version)),
        *_fitted(run),
        *section("Monitoring", (text_line(note, hang=2) for note in run.window_notes)),
    ]


def _split(snapshot: Snapshot) -> str:
    return f"{count_text(snapshot.training_rows)} to train on, {count_text(snapshot.holdout_rows)} held out"


def _metrics(version: Version, run: Run) -> list[Line]:
    return [
        *section("On the hold-out, 95 % interval", metric_lines(m for m in version.metrics if not m.slice)),
        *section("By slice", metric_lines(m for m in version.metrics if m.slice)),
    ] or [text_line("no metrics on record", "dim")]


def _gates(version: Version, run: Run) -> list[Line]:
    lines: list[Line] = []
    for gate in version.gates:
        figures = [
            (name, count_text(round(value)) if float(value).is_integer() else figure(value, 4))
            for name, value in gate.figures.items()
        ]
        facts = [("why", gate.reason), *([("bound", gate.bound)] if gate.bound else []), *figures]
        verdict = gate_cell(gate.outcome, gate.doubt)
        lines += [
            Line((verdict, Cell("  "), Cell(safe(gate.gate), "strong"))),
            *_indented(pairs(facts)),
            Line(),
        ]
    return lines or [text_line("no gates on record", "dim")]


def _parameters(version: Version, run: Run) -> list[Line]:
    return [
        *section("Parameters", pairs((key, parameter_text(value)) for key, value in flatten(run.parameters))),
        *section("Seed", pairs([("seed", run.seed)])),
        *_fitted(run),
    ]


def _fitted(run: Run) -> list[Line]:
    """Steps of the fitted model, in order."""
    lines = (text_line(f"{i}  {step}", hang=3) for i, step in enumerate(run.fitted, 1))
    return section("Fitted, in this order", lines)


def _data(version: Version, run: Run) -> list[Line]:
    data = run.snapshot
    facts = [
        ("rows", f"{count_text(data.rows)}: {_split(data)}"),
        ("from", time_text(data.first_row_at)),
        ("trained until", time_text(data.trained_until)),
        ("to", time_text(data.last_row_at)),
        ("rows' sha256", data.content_digest),
        ("source's sha256", data.source_digest),
        ("snapshot", data.artifact_digest),
        *(("erased", text) for text in run.erased),
    ]
    return [
        *section("Rows", pairs(facts)),
        *section("Columns", aligned(_column(column) for column in data.columns)),
    ]


def _column(column: ColumnSummary) -> Sequence[Cell]:
    if column.mean is not None:
        values = f"{figure(column.minimum)} … {figure(column.maximum)}  mean {figure(column.mean)} ± {figure(column.deviation)}"
    else:
        values = ", ".join(
            f"{safe(name)} {count_text(count)}" for name, count in list(column.frequent.items())[:5]
        )
    missing = Cell(f"{count_text(column.missing)} missing", "warn" if column.missing else "dim")
    return (
        Cell(safe(column.name), "strong"),
        Cell(safe(column.kind), "dim"),
        missing,
        Cell(f"{count_text(column.distinct)} distinct", "dim"),
        Cell(values),
    )


def _code(version: Version, run: Run) -> list[Line]:
    packages = run.environment.get("packages")
    settings = {key: value for key, value in run.environment.items() if key != "packages"}
    versions = packages.items() if isinstance(packages, dict) else ()
    code = [
        ("is", code_text(run.code)),
        *((key, value_text(value)) for key, value in run.code.items()),
        ("specification", run.spec_digest),
    ]
    artifacts = [
        ("model", version.model_digest),
        *([("portable", version.portable.digest)] if version.portable and version.portable.digest else []),
        ("schema", version.schema_digest),
        ("profile", version.profile_spec_digest),
        ("reference", version.reference_digest),
        ("predictions", version.predictions_digest),
    ]
    return [
        *section("Code", pairs(code)),
        *section("Artifacts (sha256)", pairs(artifacts)),
        *section("Environment", pairs((key, value_text(value)) for key, value in flatten(settings))),
        *section("Packages", pairs((str(name), str(number)) for name, number in versions)),
    ]


def _indented(lines: Iterable[Line]) -> list[Line]:
    return [Line((Cell("  "), *line.cells), line.hang + 2) for line in lines]


def comparison_table(rows: Iterable[ComparedRow], first: str, second: str) -> Table:
    """Facts of two versions beside each other; what differs is strong."""
    titles = [f"{safe(reference).removeprefix('models:/')} ~16" for reference in (first, second)]
    shown = tuple(
        Row(
            f"{row.group}/{row.name}",
            (
                cell(row.group, "dim"),
                _fact_cell(row),
                cell(_short(row.a), "" if row.differs else "dim"),
                cell(_short(row.b), "info" if row.differs else "dim"),
            ),
        )
        for row in rows
    )
    return Table(read_columns("OF", "WHAT ~12", *titles), shown, "nothing differs")


_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):[0-9.:]+\+00:00")


def _short(text: str) -> str:
    """A digest by its first twelve digits, a time to the minute; any other text as it is."""
    if _DIGEST.fullmatch(text):
        return text[:12]
    time = _TIME.fullmatch(text)
    return f"{time[1]} {time[2]}" if time else text


def _fact_cell(row: ComparedRow) -> Cell:
    """The name of a fact; of figures that cannot be compared it says so."""
    if row.note:
        return Cell(f"{safe(row.name)} ≁ other rows", "warn")
    return cell(row.name, "strong" if row.differs else "dim")


def comparison_cells(row: ComparedRow) -> list[Cell]:
    """Both sides of a fact in full, one side where the other is empty, and why they cannot be compared."""
    sides: list[tuple[str, Tone]] = [(row.a, ""), (row.b, "info" if row.differs else "")]
    cells = [Cell(safe(text, LINE_LIMIT), tone) for text, tone in sides if text]
    separated = [part for side in cells for part in (Cell("  ↔  ", "dim"), side)][1:]
    note = [Cell(f"   {safe(row.note)}", "warn")] if row.note else []
    return [Cell(f"{safe(row.name)}: ", "strong"), *separated, *note]


def diff_lines(diff: Sequence[str], note: str) -> list[Line]:
    """A unified diff; removed and added lines stand out by their sign and by their tone."""
    if not diff:
        return [text_line(note or "the code is the same", "dim")]
    lines = []
    for text in diff:
        tone: Tone = ""
        if text.startswith(("---", "+++")):
            tone = "strong"
        elif text.startswith("@@"):
            tone = "info"
        elif text.startswith("+"):
            tone = "good"
        elif text.startswith("-"):
            tone = "bad"
        lines.append(text_line(text.expandtabs(8), tone, hang=1))
    return lines
