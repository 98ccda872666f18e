"""What is taken away as files leaves an entry that names who, what and which bytes; not where nothing may be written."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.records import AuditEntry
from pilothouse.operations.dossier import audit_export, model_reports
from pilothouse.operations.exchange import mlflow_exports, onnx_exports
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits, time_machine, write_state
from support import example
from support.templates import copy_of


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    copy_of("the example", example.build, tmp_path / "workspace")
    with example.opened(tmp_path / "workspace") as services:
        yield services


def newest(services: Services) -> AuditEntry:
    return audits.show(services, example.person(services, "ada"), limit=1)[0]


def test_an_exported_version_is_on_record_with_the_digest_of_each_file(
    services: Services, tmp_path: Path
) -> None:
    sam = example.person(services, "sam")
    onnx = onnx_exports.OnnxExport("flight-delay", 1, "float64", (), "", b"model")
    onnx_exports.write(services, sam, onnx, tmp_path / "model.onnx")
    entry = newest(services)
    assert (entry.actor, entry.action, entry.subject) == ("sam", "version.exported", "models:/flight-delay/1")
    assert entry.detail["form"] == "onnx"
    assert entry.detail["files"] == {"model.onnx": hashlib.sha256(b"model").hexdigest()}
    mlflow = mlflow_exports.MlflowExport("flight-delay", 1, (), (), {"MLmodel": b"a", "model.skops": b"b"})
    mlflow_exports.write(services, sam, mlflow, tmp_path / "folder")
    entry = newest(services)
    assert (entry.detail["form"], set(entry.detail["files"])) == ("mlflow", {"MLmodel", "model.skops"})


def test_the_export_of_the_log_holds_the_entry_of_itself(services: Services) -> None:
    stream = io.StringIO()
    audit_export.export(services, example.person(services, "ada"), stream)
    assert '"log.exported"' in stream.getvalue().splitlines()[-1]


def test_a_report_of_the_past_is_recorded_in_the_present(services: Services) -> None:
    sam = example.person(services, "sam")
    at = time_machine.newest_event(services, sam)
    past = time_machine.open_past(services, sam, at)
    try:
        _, text = model_reports.make_report(past, sam, "flight-delay", lambda _: "page")
    finally:
        past.close()
    entry = newest(services)
    assert (text, entry.action, entry.actor) == ("page", "report.made", "sam")
    assert entry.detail["at"] == at.isoformat()
    assert entry.detail["sha256"] == hashlib.sha256(b"page").hexdigest()


def test_a_read_only_workspace_hands_out_and_writes_nothing(services: Services) -> None:
    write_state.make_read_only(services, example.person(services, "ada"), "an inspection")
    before = newest(services)
    model_reports.make_report(services, example.person(services, "sam"), "flight-delay", lambda _: "page")
    assert newest(services) == before


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(services: Services, tmp_path: Path) -> None:
    onnx = onnx_exports.OnnxExport("flight-delay", 1, "float64", (), "", b"model")
    with pytest.raises(UnavailableError, match="cannot be written"):
        onnx_exports.write(services, example.person(services, "sam"), onnx, tmp_path / "no" / "model.onnx")
