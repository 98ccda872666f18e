"""A version with a portable form is served from it, without scikit-learn."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from serving_kit import ModelFile, ServingProcess, TestHub, body_of, outputs_of, train

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.portable.archive import to_bytes
from pilothouse.inference.portable.conversion.model import converted
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.versions.live_versions import load_predictor

BODY = body_of(2)


@pytest.fixture(scope="module")
def portable() -> ModelFile:
    """Logistic regression with one-hot columns, in both forms."""
    model = train("flight-delay", 1, estimator="sklearn.linear_model.LogisticRegression")
    schema = InputSchema.from_bytes(model.schema)
    return replace(model, portable=to_bytes(converted(Predictor(model.model, schema).model, schema)))


def stored(folder: Path, *files: bytes) -> ArtifactStore:
    store = ArtifactStore(folder)
    for data in files:
        store.put_bytes(data)
    return store


def test_the_portable_form_is_loaded_first(portable: ModelFile, tmp_path: Path) -> None:
    store = stored(tmp_path, portable.schema, portable.portable, portable.model)
    assert load_predictor(portable.desired, store).portable


def test_a_damaged_portable_form_is_left_for_the_skops_file(portable: ModelFile, tmp_path: Path) -> None:
    damaged = portable.portable[:-400]
    broken = replace(portable, portable=damaged)
    store = stored(tmp_path, portable.schema, damaged)
    with pytest.raises(IntegrityError, match="portable model cannot be read"):
        load_predictor(broken.desired, store)
    store.put_bytes(portable.model)
    assert not load_predictor(broken.desired, store).portable


def test_a_process_answers_without_scikit_learn_and_without_the_skops_file(
    hub: TestHub, launch: Callable[..., ServingProcess], portable: ModelFile
) -> None:
    hub.deploy(portable)
    del hub.artifacts[portable.desired.model_digest]
    server = launch(hub)
    server.wait_until_ready()
    status, answer = server.infer("flight-delay", BODY)
    assert status == 200
    schema = InputSchema.from_bytes(portable.schema)
    asked = {tensor["name"]: tensor["data"] for tensor in json.loads(BODY)["inputs"]}
    expected = Predictor(portable.model, schema).predict(asked, 2)
    assert outputs_of(answer)["score"] == expected.scores.tolist()
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "sklearn" not in mapped
    assert "pandas" not in mapped
    kept = {path.name for path in (server.folder / "artifacts").rglob("?" * 64)}
    assert kept == {portable.desired.schema_digest, hashlib.sha256(portable.portable).hexdigest()}


def test_a_portable_form_that_the_hub_lacks_is_left_for_the_skops_file(
    hub: TestHub, launch: Callable[..., ServingProcess], portable: ModelFile
) -> None:
    hub.deploy(portable)
    del hub.artifacts[portable.desired.portable_digest]
    server = launch(hub)
    server.wait_until_ready()
    assert server.infer("flight-delay", BODY)[0] == 200
