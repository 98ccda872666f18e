"""Pictures of a version with 100,000 held-out rows: its page, and a report, beside Evidently's classification report.

``python tests/benchmarks/bench_pictures.py``. Evidently runs by an interpreter of its own (``make .peers/evidently/.done``)
and is left out where that is not built. Processor time of the process, medians of five in one run.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from pilothouse.domain.models.model_pictures import FORM, ComparedPictures, ModelPictures, read_pictures  # noqa: E402
from pilothouse.presentation.charts.model_charts import Side  # noqa: E402
from pilothouse.presentation.dossier.html_page import html_page  # noqa: E402
from pilothouse.presentation.dossier.picture_sections import picture_section  # noqa: E402
from pilothouse.presentation.pages.model_pictures_page import pictures_page  # noqa: E402
from pilothouse.statistics.pictures.classes import class_figures, confusion  # noqa: E402
from pilothouse.statistics.pictures.decisions import class_curve, histogram, reliability  # noqa: E402
from support.pictures import file_of  # noqa: E402

ROWS = 100_000
TIMES = 5
PEER = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset
frame = pd.DataFrame(np.load(sys.argv[1]), columns=["truth", "score"])
frame["truth"] = frame["truth"].astype(int)
frame["label"] = (frame["score"] >= 0.5).astype(int)
task = BinaryClassification(target="truth", prediction_labels="label", prediction_probas="score")
definition = DataDefinition(classification=[task])
for _ in range(3):
    began = time.process_time()
    report = Report([ClassificationPreset()])
    made = report.run(Dataset.from_pandas(frame, definition), None)
    made.save_html(sys.argv[1] + ".html")
    print(time.process_time() - began, flush=True)
"""


def median(work: Callable[[], object]) -> float:
    """Median processor time of the work, s."""
    taken = []
    for _ in range(TIMES):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def figures(truth: np.ndarray, scores: np.ndarray) -> ModelPictures:
    """Figures of a binary version, as the training's step makes them."""
    counts = confusion(truth.astype(np.int64), (scores >= 0.5).astype(np.int64), 2)
    curve = class_curve("1", truth, scores)
    assert curve is not None
    return ModelPictures(
        FORM,
        "binary",
        len(truth),
        ("0", "1"),
        tuple(tuple(row) for row in counts.tolist()),
        class_figures(("0", "1"), counts),
        (curve,),
        (reliability("1", truth, scores),),
        tuple(histogram(str(i), scores[truth == i], 0.0, 1.0) for i in (0, 1)),
    )


def main() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(ROWS) < 0.2
    scores = 1 / (1 + np.exp(-rng.normal(truth * 1.5 - 1, 1)))
    made = figures(truth, scores)
    data = file_of(made)

    def page() -> object:
        return pictures_page(Side("v3", read_pictures(data)), Side("v1", read_pictures(data)))

    def report() -> object:
        own = figures(truth, scores)
        return html_page("report", [picture_section(ComparedPictures(3, own, 1, own))], "")

    ours = median(report)
    print(
        f"figures of {ROWS:,} rows: {median(lambda: figures(truth, scores)) * 1e3:.0f} ms, {len(data) / 1024:.0f} KB"
    )
    print(f"page of the console, both files read: {median(page) * 1e3:.0f} ms")
    print(f"figures and page of the report: {ours * 1e3:.0f} ms")
    peer = ROOT / ".peers" / "evidently" / "bin" / "python"
    if not peer.exists():
        print("Evidently: not built (make .peers/evidently/.done); left out")
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npy"
        np.save(rows, np.column_stack([truth, scores]))
        out = subprocess.run([peer, "-c", PEER, rows], capture_output=True, text=True, check=True).stdout
    theirs = statistics.median(float(line) for line in out.split())
    print(
        f"Evidently's classification report of the same rows: {theirs * 1e3:.0f} ms; ours {ours / theirs:.3f} ×"
    )


if __name__ == "__main__":
    main()
