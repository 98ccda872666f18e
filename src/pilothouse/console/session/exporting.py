"""Exports of the console, the monitor's series among them: files under generated names in one folder of the user's home, or
the clipboard.

Somebody who works through a shared account over SSH has no use for a file of that account, and should not leave any: they get
it through the terminal's clipboard (OSC 52).
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pilothouse.console.session.clipboard import LONGEST_BYTES
from pilothouse.console.session.session import Session
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.presentation.charts.chart import Chart
from pilothouse.presentation.charts.monitor_points import Other
from pilothouse.presentation.charts.series_csv import series_csv

FOLDER = "pilothouse-exports"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The message for the user, and the text for their clipboard (empty where files were written)."""

    message: str
    clipboard: str = ""


def export(session: Session, view: MonitorView, charts: Sequence[Chart], other: Other | None) -> ExportResult:
    """Write CSV, text and SVG, or return the CSV for the clipboard. Raises UnavailableError where nothing can be written."""
    table = series_csv(view, *([other.view] if other else []))
    if shared_account(session):
        if len(table.encode()) > LONGEST_BYTES:
            table = series_csv(_shorter(view))
        lines = table.encode()[:LONGEST_BYTES].decode(errors="ignore").rpartition("\n")[0]
        return ExportResult(f"{lines.count(chr(10))} readings as CSV are on your clipboard", lines + "\n")
    folder = _folder()
    stem = _stem(view, other)
    title = safe(f"{view.model} on {view.target}" + (f" beside {other.name}" if other else ""))
    from pilothouse.presentation.charts.plotting import draw
    from pilothouse.presentation.charts.vector import svg

    shown = [chart for chart in charts if chart.has_points]
    text = "\n".join(
        f"{chart.title}  {chart.headline.text}\n{draw(chart, 100, 16, colour=False)}\n" for chart in shown
    )
    for ending, content in (("csv", table), ("txt", f"{title}\n\n{text}"), ("svg", svg(shown, title))):
        _write(folder / f"{stem}.{ending}", content)
    return ExportResult(f"wrote {stem}.csv, .txt and .svg to {folder}")


def export_text(session: Session, name: str, text: str) -> ExportResult:
    """Write a text under a name of ours, or return it for the clipboard. Raises UnavailableError where it cannot be written."""
    if shared_account(session):
        return ExportResult(f"{name} is on your clipboard", text)
    folder = _folder()
    _write(folder / name, text)
    return ExportResult(f"wrote {folder / name}")


def shared_account(session: Session) -> bool:
    """True where somebody came over SSH to an account that is not theirs: by a key of their own, or through a wrapper."""
    if session.options.trusted is not None:
        return True
    acts_for_another = session.options.as_name is not None and session.options.as_name != session.options.user
    return acts_for_another and bool(os.environ.get("SSH_CONNECTION"))


def _folder() -> Path:
    """The user's folder for exports, made where it is missing; below the current folder where the home takes none."""
    for parent in (Path.home(), Path.cwd()):
        folder = parent / FOLDER
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        if not folder.is_symlink() and folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    raise UnavailableError(
        f"neither {Path.home()} nor {Path.cwd()} takes a folder {FOLDER}: nothing was written"
    )


def _stem(view: MonitorView, other: Other | None) -> str:
    """``flight-delay-jfk-20130902-0630``: only letters, digits and dashes of the names."""
    clock = f"{view.event_clock:%Y%m%d-%H%M}" if view.event_clock else "no-data"
    parts = [view.model, view.target, *([other.name] if other else []), clock]
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-")[:60] for part in parts)


def _write(path: Path, content: str) -> None:
    """Write over an earlier export of the same data; never through a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}; nothing else was changed"
        ) from None


def _shorter(view: MonitorView) -> MonitorView:
    """The newest windows only, for a view that is larger than a clipboard takes."""
    kept = 26
    drift = {feature: readings[-kept:] for feature, readings in list(view.drift.items())[:8]}
    return replace(
        view,
        performance=view.performance[-kept:],
        estimated=view.estimated[-kept:],
        traffic=view.traffic[-kept:],
        drift=drift,
    )
