"""The domain classifier beside NannyML's on the same windows: AUROC, and how often either calls a window drifted.

NannyML (defaults: LightGBM, five folds drawn by chance, alert outside 0.45 to 0.65) runs in ``.peers/nannyml``; without that
folder only our figures are shown. Weather that stays for nine days is no drift: the reference has it too.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import show
from threadpoolctl import threadpool_limits

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.training.data.domain_classifier import Side, learn, separate

ROOT = Path(__file__).resolve().parent.parent.parent
PEER = ROOT / ".peers" / "nannyml" / "bin" / "python"
SCRIPT = ROOT / "tests" / "peers" / "domain_classifier_nannyml.py"
WINDOWS, ROWS, DAYS = 20, 350, 120
CASES = {
    "nothing changed": (False, {}),
    "weather of nine days": (False, {"weather": 1.5}),
    "correlation flips": (True, {"correlation": -0.9}),
    "one feature moves by half a deviation": (True, {"shift": 0.5}),
    "one category becomes twice as frequent": (True, {"category": 0.3}),
}


def rows(
    count: int,
    first_day: int,
    days: int,
    seed: int,
    *,
    correlation=0.9,
    shift=0.0,
    weather=0.0,
    category=0.15,
) -> Side:
    """Six columns: two that hang together, one that may move, one with weather, one of two values, one of noise."""
    chance = np.random.default_rng(seed)
    times = np.sort(chance.integers(first_day * DAY_US, (first_day + days) * DAY_US, count))
    values = chance.normal(size=(count, 6))
    values[:, 1] = correlation * values[:, 0] + np.sqrt(1 - correlation**2) * values[:, 1]
    values[:, 2] += shift
    values[:, 3] += weather * np.random.default_rng(99).normal(size=1_000)[(times / DAY_US / 9).astype(int)]
    values[:, 4] = chance.random(count) < category
    return Side(values, times)


def judged(reference: Side, windows: list[Side]) -> tuple[list[tuple[float, bool]], float]:
    """(AUROC, significant) of each window and the processor's seconds of a job: learning from the reference and one window."""
    found = []
    names, numbers = [f"f{i}" for i in range(6)], [False] * 6
    with threadpool_limits(1):
        began = time.process_time()
        learnt = learn(numbers, reference, windows[0], length_us=7 * DAY_US, seed=0)
        learning = time.process_time() - began
        for window in windows:
            one = separate(
                names,
                numbers,
                reference,
                window,
                false_alarm_rate=0.01,
                length_us=7 * DAY_US,
                seed=0,
                learnt=learnt,
            )
            assert one is not None
            found.append((one.auc, one.significant))
    judging = (time.process_time() - began - learning) / len(windows)
    return found, learning + judging


def start_peer(folder: Path, reference: Side, windows: list[Side]) -> "subprocess.Popen[str] | None":
    """NannyML at work on the same rows; None where it is not installed."""
    if not PEER.exists():
        return None
    folder.mkdir()
    np.savez(folder / "rows.npz", reference=reference.values, windows=np.stack([w.values for w in windows]))
    return subprocess.Popen(
        [PEER, SCRIPT, folder / "rows.npz"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def run() -> None:
    """Each case: mean AUROC of both, and windows called drifted of all. The processor's time is measured, not the clock's."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (drifts, change)) in enumerate(CASES.items()):
            of_reference = {"weather": change["weather"]} if "weather" in change else {}
            reference = rows(6_000, 0, DAYS, 1, **of_reference)
            windows = [rows(ROWS, DAYS + 14 + 9 * i, 7, 100 + i, **change) for i in range(WINDOWS)]
            peer = start_peer(Path(folder) / str(number), reference, windows)
            name = f"{'drift' if drifts else 'none '}: {name}, AUROC"
            ours, seconds = judged(reference, windows)
            told = f"{_mean(ours):.3f}, {_called(ours)} of {WINDOWS}"
            if peer is None:
                show(name, told, "NannyML is not installed")
                continue
            answer = json.loads(peer.communicate()[0].splitlines()[-1])
            theirs = [(value, alert) for value, alert in answer["windows"]]
            apart = np.abs(np.array([v for v, _ in ours]) - np.array([v for v, _ in theirs])).mean()
            show(
                name,
                told,
                f"NannyML {_mean(theirs):.3f}, {_called(theirs)} of {WINDOWS}; {apart:.3f} apart; "
                f"processor {seconds:.1f} s a job, NannyML {answer['cpu_s']:.1f} s a window",
            )


def _mean(found: list[tuple[float, bool]]) -> float:
    return float(np.mean([value for value, _ in found]))


def _called(found: list[tuple[float, bool]]) -> int:
    return sum(significant for _, significant in found)
