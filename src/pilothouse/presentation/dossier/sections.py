"""Sections of a dossier, in the order in which an auditor asks: what changed, what it is for, then how it was made and did."""

import json

from pilothouse.domain.audit.dossier import Dossier
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.evaluation import ColumnSummary, GateOutcome
from pilothouse.domain.models.model_spec import InventorySpec
from pilothouse.presentation.dossier.blocks import Grid, Section, Text, facts, section
from pilothouse.presentation.dossier.picture_sections import picture_section
from pilothouse.presentation.dossier.record_sections import record_sections
from pilothouse.presentation.texts import (
    count_text,
    day_text,
    flatten,
    parameter_text,
    size_text,
    time_text,
    value_text,
)
from pilothouse.presentation.version_texts import portable_text, standing_text


def name_of(dossier: Dossier) -> str:
    """``models:/flight-delay/2``."""
    return version_uri(dossier.version.model, dossier.version.number)


def all_sections(dossier: Dossier) -> list[Section]:
    """Every section."""
    return [
        _summary(dossier),
        _changes(dossier),
        *card_sections(dossier),
        *record_sections(dossier),
        _environment(dossier),
        _files(dossier),
    ]


def card_sections(dossier: Dossier) -> list[Section]:
    """Sections of the model card."""
    return [
        _use(dossier),
        _limits(dossier),
        _data(dossier),
        _method(dossier),
        *_figures(dossier),
        *([picture_section(dossier.pictures)] if dossier.pictures is not None else []),
        _gates(dossier),
    ]


def _summary(dossier: Dossier) -> Section:
    version, entry = dossier.version, dossier.inventory
    said = entry.said or InventorySpec()
    return section(
        "summary",
        "Summary",
        facts(
            [
                ("version", name_of(dossier)),
                ("description", entry.description),
                ("stage", standing_text(version.standing)),
                ("live on", ", ".join(version.live_on) or "nowhere"),
                ("risk tier", said.risk_tier or "not said"),
                ("owner", entry.owner),
                ("retired", said.retired),
                ("model file", f"sha256 {version.model_digest}, {size_text(version.model_bytes)}"),
                ("portable form", portable_text(version.portable) if version.portable else ""),
                ("made", f"{time_text(dossier.made_at)} UTC by {dossier.made_by}"),
                ("audit log then", f"{dossier.head.count}:{dossier.head.hash}"),
                ("signed by the key", f"sha256 {dossier.fingerprint}" if dossier.fingerprint else ""),
            ]
        ),
    )


def _changes(dossier: Dossier) -> Section:
    changes = dossier.changes
    if changes.since is None:
        return section(
            "changes", "Changes since the last approved version", empty="No version was approved before it."
        )
    approved = f"approved {day_text(changes.approved_at)} by {', '.join(changes.approved_by) or 'its policy'}"
    return section(
        "changes",
        f"Changes since version {changes.since}, {approved}",
        Grid(
            ("what", "fact", f"version {changes.since}", f"version {dossier.version.number}"),
            tuple((row.group, row.name, row.before or "–", row.after or "–") for row in changes.rows),
        ),
        *(Text(f"Figures: {note}.") for note in dict.fromkeys(row.note for row in changes.rows if row.note)),
        empty="Nothing differs.",
    )


def _use(dossier: Dossier) -> Section:
    entry = dossier.inventory
    said = entry.said or InventorySpec()
    reviews = Grid(
        ("reviewed", "by", "found", "next", "reason"),
        tuple(
            (time_text(one.recorded_at), one.reviewed_by, str(one.outcome), one.next_review, one.reason)
            for one in dossier.reviews
        ),
    )
    return section(
        "use",
        "Use and responsibility",
        facts(
            [
                ("predicts", f"{dossier.specification['data']['target']} ({dossier.specification['task']})"),
                ("classes", ", ".join(dossier.classes)),
                ("intended use", said.intended_use or entry.description),
                ("not intended for", "; ".join(said.not_intended_for)),
                ("users", "; ".join(said.users)),
                ("owner", entry.owner),
                ("validator", said.validator),
                ("next review", f"{entry.due}{', due' if entry.is_due else ''}" if entry.due else "not said"),
            ]
        ),
        reviews,
        None if dossier.reviews else Text("No review is on record."),
    )


def _limits(dossier: Dossier) -> Section:
    said = dossier.inventory.said or InventorySpec()
    listed = [*said.limits, *dossier.run.window_notes]
    gates = [one for one in dossier.version.gates if one.outcome is not GateOutcome.PASSED or one.doubt]
    listed += [f"{one.gate}: {one.outcome}: {one.reason}" for one in gates]
    return section(
        "limits",
        "Known limits",
        *(Text(line) for line in listed),
        empty="None is said in the model file, and no gate says one.",
    )


def _data(dossier: Dossier) -> Section:
    rows, data = dossier.run.snapshot, dossier.specification["data"]
    columns = Grid(
        ("column", "kind", "missing", "distinct", "values"),
        tuple(
            (
                column.name,
                column.kind,
                count_text(column.missing),
                count_text(column.distinct),
                _values(column),
            )
            for column in rows.columns
        ),
        ("missing", "distinct"),
    )
    return section(
        "data",
        "Data",
        facts(
            [
                ("source", data["source"]),
                ("rows", count_text(rows.rows)),
                ("to train on", count_text(rows.training_rows)),
                ("held out", f"{count_text(rows.holdout_rows)}, newest in time"),
                ("period", f"{time_text(rows.first_row_at)} to {time_text(rows.last_row_at)} UTC"),
                ("trained until", f"{time_text(rows.trained_until)} UTC"),
                ("known at", f"{time_text(dossier.run.as_of)} UTC" if dossier.run.as_of else "all rows"),
                ("rows sha256", rows.content_digest),
                ("snapshot sha256", rows.artifact_digest),
                ("source sha256", rows.source_digest),
                *(("erased", text) for text in dossier.run.erased),
                ("never stored", ", ".join(data.get("private", ()))),
            ]
        ),
        columns,
    )


def _values(column: ColumnSummary) -> str:
    """Bounds of a column, or its most frequent values."""
    low, high = column.minimum, column.maximum
    if low is None or high is None:
        return ", ".join(f"{value} ({count_text(count)})" for value, count in [*column.frequent.items()][:6])
    if column.kind == "time":
        return f"{time_text(from_us(int(low)))} to {time_text(from_us(int(high)))}"
    middle = f", mean {column.mean:.4g}" if column.mean is not None else ""
    return f"{low:.4g} to {high:.4g}{middle}"


def _method(dossier: Dossier) -> Section:
    run, training = dossier.run, dossier.specification["training"]
    search = training.get("search")
    fitted = Grid(
        ("", "fitted, in this order"), tuple((str(i), step) for i, step in enumerate(run.fitted, 1))
    )
    parameters = Grid(
        ("parameter", "value"),
        tuple((name, parameter_text(value)) for name, value in flatten(run.parameters)),
    )
    trials = Grid(
        ("candidate", "facts"),
        tuple((str(i), json.dumps(one, sort_keys=True)) for i, one in enumerate(dossier.trials, 1)),
    )
    weights = sorted(dossier.importance.items(), key=lambda pair: -abs(pair[1]))
    return section(
        "method",
        "Method",
        facts(
            [
                ("estimator", training.get("estimator") or training.get("function")),
                ("seed", str(run.seed)),
                ("search", value_text(search) if search else "none"),
                ("specification sha256", run.spec_digest),
                ("one prediction", _latency(dossier.latency_us)),
            ]
        ),
        fitted,
        parameters,
        trials,
        Grid(
            ("feature", "loss of the metric when it is shuffled"),
            tuple((name, f"{value:.4g}") for name, value in weights),
            ("loss of the metric when it is shuffled",),
        ),
    )


def _latency(latency_us: dict[str, float]) -> str:
    shares = [(name, latency_us[name]) for name in ("p50", "p95", "p99") if name in latency_us]
    return ", ".join(f"{name} {value / 1_000:.2f} ms" for name, value in shares)


def _figures(dossier: Dossier) -> list[Section]:
    whole = [one for one in dossier.version.metrics if not one.slice]
    sliced = [one for one in dossier.version.metrics if one.slice]
    numbers = ("value", "low", "high", "rows")
    figures = Grid(
        ("metric", *numbers),
        tuple(
            (m.metric, f"{m.value:.4f}", f"{m.low:.4f}", f"{m.high:.4f}", count_text(m.rows)) for m in whole
        ),
        numbers,
    )
    slices = Grid(
        ("slice", "metric", *numbers),
        tuple(
            (m.slice, m.metric, f"{m.value:.4f}", f"{m.low:.4f}", f"{m.high:.4f}", count_text(m.rows))
            for m in sliced
        ),
        numbers,
    )
    found = [section("figures", "Figures on the hold-out, with 95 % intervals", figures)]
    if sliced:
        found.append(section("slices", "Figures by slice", slices))
    return found


def _gates(dossier: Dossier) -> Section:
    rows = tuple((one.gate, str(one.outcome), one.bound, one.reason) for one in dossier.version.gates)
    return section("gates", "Gates", Grid(("gate", "verdict", "bound", "reason"), rows), empty="None.")


def _environment(dossier: Dossier) -> Section:
    environment = dossier.run.environment
    packages = environment.get("packages") or {}
    settings = [(name, value_text(value)) for name, value in environment.items() if name != "packages"]
    return section(
        "environment",
        "Environment of the training",
        facts(settings),
        Grid(
            ("package", "version"), tuple((str(name), str(value)) for name, value in sorted(packages.items()))
        ),
    )


def _files(dossier: Dossier) -> Section:
    return section(
        "files",
        "Files, and how they are verified",
        Text(
            "sh verify.sh checks all of it with OpenSSL, OpenSSH and Python, without Pilothouse. It says by which key the "
            "dossier is signed: compare that with the fingerprint that the workspace's operators gave you another way."
        ),
        Grid(
            ("file", "what", "bytes", "sha256"),
            tuple((one.name, one.what, count_text(one.bytes), one.digest) for one in dossier.attachments),
            ("bytes",),
        ),
    )
