"""What a version answers in an environment beside what is stored of it, and portable forms that are made later."""

import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from steps_support import Bench, spec

from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.upgrade import Outcome, judged
from pilothouse.inference.safe_format import scikit_learn_here, tie, written_with


def files(steps: dict[str, StepResult], *, portable: bool) -> dict[str, str]:
    found = {
        "model": steps["fit"].outputs["model"],
        "schema": steps["fit"].outputs["schema"],
        "holdout": steps["snapshot"].outputs["holdout"],
        "predictions": steps["evaluate"].outputs["predictions"],
    }
    return {**found, "portable": steps["evaluate"].outputs["portable"]} if portable else found


def answered(bench: Bench, inputs: dict[str, Any]) -> dict[str, Any]:
    result = bench.run("answers", spec(), inputs)
    assert result.ok, result.error
    return result.record


def other_release(model: str, path: Path) -> Path:
    """The model file as another release of scikit-learn would have written it: by its own word, and with a type of its own."""
    with zipfile.ZipFile(model) as archive, zipfile.ZipFile(path, "w") as written:
        for name in archive.namelist():
            data = archive.read(name)
            if name == "schema.json":
                here = scikit_learn_here().encode()
                data = data.replace(b'"\\"' + here + b'\\""', b'"\\"1.2.3\\""')
                data = data.replace(b'"HistGradientBoostingClassifier"', b'"GoneClassifier"')
            written.writestr(name, data)
    return path


@pytest.mark.parametrize("portable", [True, False])
def test_the_same_environment_answers_to_the_bit(
    bench: Bench, usual: dict[str, StepResult], portable: bool
) -> None:
    record = answered(bench, files(usual, portable=portable))
    assert record["form"] == ("portable" if portable else "skops")
    assert (record["fault"], record["differing"], record["largest"]) == ("", 0, 0.0)
    assert record["rows"] > 0
    assert record["written_with"] == record["scikit_learn"] == scikit_learn_here()
    outcome, finding = judged(record, "")
    assert outcome is Outcome.STAYS
    tied = f"tied to scikit-learn {scikit_learn_here()}"
    assert finding.startswith(f"{'portable' if portable else tied}: answers bit for bit")


def test_answers_that_differ_are_counted_with_the_largest_difference(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    table = pq.read_table(usual["evaluate"].outputs["predictions"])
    scores = table.column("score").to_pylist()
    scores[0], scores[1] = scores[0] + 0.25, scores[1] + 1e-15
    changed = bench.folder / "changed.parquet"
    pq.write_table(table.set_column(table.column_names.index("score"), "score", pa.array(scores)), changed)
    inputs = {**files(usual, portable=True), "predictions": changed}
    record = answered(bench, inputs)
    assert record["differing"] == 2
    assert record["largest"] == pytest.approx(0.25)
    rows = f"{record['rows']:,}"
    assert judged(record, "") == (
        Outcome.DIFFERS,
        f"portable: answers differ: 2 of {rows} rows, largest 0.25",
    )
    # nor is something converted that is not what was approved
    refused = bench.run("convert", spec(), {**files(usual, portable=False), "predictions": changed})
    assert not refused.ok
    assert "it answers otherwise than it did: 2 of" in refused.error


def test_a_file_of_another_release_says_which_and_why_it_does_not_load(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    model = other_release(usual["fit"].outputs["model"], bench.folder / "older.skops")
    assert written_with(model.read_bytes()) == "1.2.3"
    assert tie(model.read_bytes()) == f"written with scikit-learn 1.2.3, read with {scikit_learn_here()}"
    record = answered(bench, {**files(usual, portable=False), "model": model})
    outcome, finding = judged(record, "")
    assert outcome is Outcome.FAILS
    assert finding.startswith(
        f"tied to scikit-learn 1.2.3: does not answer under {scikit_learn_here()} (the model file"
    )
    assert "\n" not in finding
    # its portable form answers all the same
    assert judged(answered(bench, {**files(usual, portable=True), "model": model}), "")[0] is Outcome.STAYS


def test_a_damaged_portable_form_is_left_for_the_skops_file(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    damaged = bench.folder / "damaged.npz"
    damaged.write_bytes(Path(usual["evaluate"].outputs["portable"]).read_bytes()[:-40])
    record = answered(bench, {**files(usual, portable=True), "portable": damaged})
    assert record["form"] == "skops"
    assert record["portable_fault"]
    assert record["differing"] == 0


def test_a_portable_form_that_is_made_later_has_the_bytes_of_one_made_at_once(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    result = bench.run("convert", spec(), files(usual, portable=False))
    assert result.ok, result.error
    made, at_once = (Path(steps.outputs["portable"]) for steps in (result, usual["evaluate"]))
    assert made.read_bytes() == at_once.read_bytes()
    assert result.record["portable"]["reason"] == ""
    assert result.record["portable"]["rows"] > 10_000
    assert result.record["packages"]["scikit-learn"] == scikit_learn_here()


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_does_not_say_its_release_is_tied_to_none(data: bytes) -> None:
    assert (written_with(data), tie(data)) == ("", "")
