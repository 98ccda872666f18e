"""Fuzzing of files that a less trusted process leaves: a step's result and progress, a server's process file, records."""

import json
from dataclasses import asdict
from pathlib import Path

from pilothouse.daemon.serving_supervisor import read_process_file
from pilothouse.domain.jobs.jobs import ProcessName, StepResult
from pilothouse.domain.models.evaluation import GateOutcome, GateResult
from pilothouse.execution.step_files import ProgressTail, read_result
from pilothouse.execution.step_process import seal_of
from pilothouse.operations.jobs import step_records
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.system.leader import leader
from pilothouse.system.processes import is_alive
from pilothouse.system.write_guard import WriteGuard
from support.flight_batches import specification
from support.fuzzing import bytes_like, fuzz, json_of

KEY = b"k" * 32
RESULT = {
    "ok": True,
    "outputs": {"model": "model.skops"},
    "record": {"rows": 5, "auc": 0.5},
    "error": "",
    "cause": "memory",
}
PROGRESS = {"at": 1.5, "fraction": 0.25, "message": "half", "figures": {"auc": 0.7}}
RECORD = {
    "content_digest": "0" * 64, "source_digest": "1" * 64, "rows": 10, "training_rows": 7, "holdout_rows": 3,
    "first_row_us": 0, "last_row_us": 1_700_000_000_000_000, "trained_until_us": 5, "columns": [],
}  # fmt: skip
GATES = [
    json.loads(json.dumps(asdict(GateResult("g", GateOutcome.PASSED, "good", {"auc": 0.5}, "≥ 0.4")))),
]


def test_results(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"x")

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        sealed = {"result": text, "seal": seal_of(KEY, text.encode())}
        (tmp_path / "result.json").write_bytes(json.dumps(sealed).encode())
        result = read_result(tmp_path, KEY.hex())
        if result is not None:
            assert all(Path(path).is_relative_to(tmp_path.resolve()) for path in result.outputs.values())

    read(json.dumps(RESULT).encode())
    fuzz("result", lambda random: json_of(random, RESULT), read)

    def read_seal(data: bytes) -> None:
        (tmp_path / "result.json").write_bytes(data)
        read_result(tmp_path, KEY.hex())

    fuzz("seal", lambda random: json_of(random, {"result": json.dumps(RESULT), "seal": "0" * 64}), read_seal)


def test_progress(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        path = tmp_path / "progress.jsonl"
        path.write_bytes(b"")
        told = []
        tail = ProgressTail(path, told.append)
        path.write_bytes(data + b"\n")
        tail.read()
        assert all(0 <= line.fraction <= 1 for line in told)

    fuzz("progress", lambda random: json_of(random, PROGRESS), read)


def test_records() -> None:
    def read(data: bytes) -> None:
        from pilothouse.domain.formats.bounded_json import JsonError, parse_json

        try:
            plain = parse_json(data)
        except JsonError:
            return
        record = plain if isinstance(plain, dict) else {}
        step_records.finite(record)
        step_records.window_notes_in(record)
        step_records.gates_in("evaluate", record.get("gates"))
        step_records.metrics_in("evaluate", record.get("metrics"))
        step_records.snapshot_in(StepResult(True, {}, record, "", ""), "0" * 64)

    metrics = [
        {"metric": "auc", "value": 0.5, "low": 0.4, "high": 0.6, "rows": 10, "slice": "", "split": "holdout"}
    ]
    plain = RECORD | {"gates": GATES, "metrics": [], "window_notes": ["a"]}
    fuzz("record", lambda random: json_of(random, random.choice((plain, plain | {"metrics": metrics}))), read)


def test_process_files(tmp_path: Path) -> None:
    plain = {"process": asdict(ProcessName("a", 1, 2)), "port": 80, "host": "127.0.0.1"}

    def read(data: bytes) -> None:
        (tmp_path / "process.json").write_bytes(data)
        found = read_process_file(tmp_path)
        if found is not None:
            is_alive(found.process)
        leader(tmp_path / "process.json")
        WriteGuard(tmp_path / "process.json").state()

    fuzz("process", lambda random: json_of(random, random.choice((plain, plain["process"]))), read)


def test_profile_specifications() -> None:
    data = specification().to_bytes()

    fuzz("profile specification", lambda random: bytes_like(random, (data,)), ProfileSpecification.from_bytes)
