"""Windows with known shifts, and how they are handed to the peers: one ``.npz`` a study, numbers as float64, texts as codes.

Keys: ``r:BASE`` the reference's rows, ``k:BASE`` the texts of a categorical column's codes (−1: missing), ``w:NAME`` the
windows [windows, rows]; ``meta`` JSON with ``columns`` (each name's base), ``rows`` of a window, and which are ``missing``.
A name is a base column, or ``BASE SHIFT`` for one that is shifted.
"""

import json
import math
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
Array = np.ndarray
LEAD = 3
"""Quiet windows before each shift: the recent past."""


@dataclass
class Study:
    """A reference, and runs of windows after it. ``windows[name]`` is [runs, windows a run, rows]."""

    name: str
    rows: int
    days: Array
    """The day of each reference row, 0 …"""
    reference: dict[str, Array]
    texts: dict[str, list[str]]
    windows: dict[str, Array] = field(default_factory=dict)
    beside: dict[str, Array] = field(default_factory=dict)
    """Every base column of the same windows as it is without a shift."""

    def write(self, folder: Path) -> None:
        """Hand the study over."""
        arrays: dict[str, Array] = {f"r:{base}": values for base, values in self.reference.items()}
        arrays |= {f"k:{base}": np.array(texts) for base, texts in self.texts.items()}
        arrays |= {f"w:{name}": w.reshape(-1, w.shape[-1]) for name, w in self.windows.items()}
        columns = {name: name.split(" ")[0] for name in self.windows}
        missing = {name: "missing" in name or name == "sparse" for name in columns}
        meta = {"columns": columns, "rows": self.rows, "missing": missing}
        np.savez(folder / f"{self.name}.npz", meta=np.array(json.dumps(meta)), **arrays)

    def verdicts(self, folder: Path, peer: str) -> dict[str, Array] | None:
        """A peer's scores by name, [runs, windows a run]; None where it has not run."""
        path = folder / f"{self.name}.{peer}.json"
        if not path.exists():
            return None
        shape = next(iter(self.windows.values())).shape[:2]
        return {
            name: np.array(scores, float).reshape(shape)
            for name, scores in json.loads(path.read_text()).items()
        }


ZIPF = 1 / np.arange(1, 13)
MIX, SHOPS = np.array([0.5, 0.3, 0.2]), ZIPF / ZIPF.sum()
TEXTS = {"mix": ["a", "b", "c"], "shop": [f"shop {i}" for i in range(12)]}


def independent(rng: np.random.Generator, rows: int) -> dict[str, Array]:
    """Rows that hang together with nothing: eight columns of usual kinds."""
    return {
        "level": rng.normal(0, 1, rows),
        "amount": rng.lognormal(3, 1, rows),
        "rain": np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(1, rows)),
        "weekday": rng.integers(0, 7, rows).astype(float),
        "sparse": np.where(rng.random(rows) < 0.05, np.nan, rng.normal(0, 1, rows)),
        "mix": rng.choice(3, rows, p=MIX),
        "shop": rng.choice(12, rows, p=SHOPS),
        "score": rng.beta(2, 5, rows),
    }


Shift = Callable[[Array, np.random.Generator], Array]


def moved(values: Array, rng: np.random.Generator, share: float) -> Array:
    """This share of all rows goes from the most frequent category to the last."""
    first = np.flatnonzero(values == 0)
    values = values.copy()
    taken = rng.permutation(first)[: round(share * values.size)]
    values[taken] = values.max()
    return values


def lost(values: Array, rng: np.random.Generator, share: float) -> Array:
    """This share more of the rows is missing."""
    return np.where(rng.random(values.size) < share / 0.95, np.nan, values)


SHIFTS: dict[str, tuple[str, Shift]] = {
    **{f"mean +{s} σ": ("level", lambda v, _, s=s: v + s) for s in (0.15, 0.3, 0.6, 1.0)},
    **{f"scale ×{s}": ("level", lambda v, _, s=s: v * s) for s in (1.25, 1.5, 2.0)},
    **{f"skewed ×{s}": ("amount", lambda v, _, s=s: v * s) for s in (1.25, 1.5)},
    **{f"mix {round(100 * s)} points": ("mix", lambda v, r, s=s: moved(v, r, s)) for s in (0.05, 0.1, 0.2)},
    **{f"missing +{round(100 * s)} points": ("sparse", lambda v, r, s=s: lost(v, r, s)) for s in (0.05, 0.2)},
}
"""Each known shift, its column and what it does."""


def independent_study(
    rows: int,
    seed: int,
    quiet: tuple[int, int],
    shifted: tuple[int, int],
    shifts: Mapping[str, tuple[str, Shift]] = SHIFTS,
) -> list[Study]:
    """Thirteen windows of ``rows`` as reference over 91 days; quiet windows drawn from it with replacement, and shifted ones.

    ``quiet`` and ``shifted`` are (runs, windows a run) after LEAD quiet ones each.
    """
    rng = np.random.default_rng(seed)
    reference = independent(rng, 13 * rows)
    days = np.arange(13 * rows) * 91 // (13 * rows)

    def drawn(base: str, runs: int, length: int) -> Array:
        return rng.choice(reference[base], (runs, length, rows))

    calm = Study(f"quiet-{rows}-{seed}", rows, days, reference, TEXTS)
    calm.windows = calm.beside = {base: drawn(base, quiet[0], LEAD + quiet[1]) for base in reference}
    known = Study(f"shift-{rows}-{seed}", rows, days, reference, TEXTS)
    known.beside = {base: drawn(base, shifted[0], LEAD + shifted[1]) for base in reference}
    for name, (base, change) in shifts.items():
        windows = known.beside[base].copy()
        for run in windows:
            for i in range(LEAD, len(run)):
                run[i] = change(run[i], rng)
        known.windows[f"{base} {name}"] = windows
    return [calm, known]


def wandering(rng: np.random.Generator, days: int, a_day: int, season: float = 0.0) -> dict[str, Array]:
    """Days whose level wanders (autoregressive), with a year's wave of ``season`` deviations in the first column."""

    def level(memory: float, size: float) -> Array:
        steps, now = rng.normal(0, size * np.sqrt(1 - memory**2), days), rng.normal(0, size)
        out = np.empty(days)
        for i, step in enumerate(steps):
            out[i] = now = memory * now + step
        return np.repeat(out, a_day)

    n = days * a_day
    wave = np.repeat(season * np.sin(2 * np.pi * np.arange(days) / 365.25), a_day)
    share = 1 / (1 + np.exp(-(level(0.7, 0.5) - 0.5)))
    return {
        "weather": wave + level(0.8, 1.0) + rng.normal(0, 1, n),
        "pressure": level(0.5, 0.5) + rng.normal(0, 1, n),
        "stationary": rng.normal(0, 1, n),
        "rain": np.where(rng.random(n) < 1 - share * 0.3, 0.0, rng.exponential(1, n)),
        "mix": np.where(rng.random(n) < share, 0, rng.integers(1, 3, n)),
        "score": 1 / (1 + np.exp(-(level(0.6, 0.4) + rng.normal(-1, 1, n)))),
    }


SUDDEN: dict[str, tuple[str, Shift]] = {
    **{f"overdispersed +{s} σ": ("weather", lambda v, _, s=s: v + s) for s in (1.0, 2.0, 4.0)},
    **{f"noise ×{s}": ("weather", lambda v, _, s=s: v.mean() + s * (v - v.mean())) for s in (1.5, 2.0)},
    "slightly overdispersed +0.5 σ": ("pressure", lambda v, _: v + 0.5),
    "stationary +0.5 σ": ("stationary", lambda v, _: v + 0.5),
    "mix 20 points": ("mix", lambda v, r: moved(v, r, 0.2)),
}


def wandering_study(
    name: str,
    seed: int,
    days: int,
    weeks: int,
    rows: int,
    season: float,
    runs: int,
    length: int,
    shifts: Mapping[str, tuple[str, Shift]] = SUDDEN,
) -> list[Study]:
    """A reference of ``days``, ``weeks`` that go on from it unchanged, and ``runs`` out of them with a sudden shift."""
    rng = np.random.default_rng(seed)
    a_day = round(rows / 7)
    rows = a_day * 7
    whole = wandering(rng, days + 7 * weeks, a_day, season)
    cut = days * a_day
    reference = {base: values[:cut] for base, values in whole.items()}
    after = {base: values[cut:].reshape(1, weeks, rows) for base, values in whole.items()}
    texts = {"mix": ["a", "b", "c"]}
    dated = np.repeat(np.arange(days), a_day)
    calm = Study(f"quiet-{name}-{seed}", rows, dated, reference, texts, after, after)
    known = Study(f"shift-{name}-{seed}", rows, dated, reference, texts)
    starts = rng.integers(0, weeks - LEAD - length + 1, runs)
    known.beside = {
        base: np.array([w[0, s : s + LEAD + length] for s in starts]) for base, w in after.items()
    }
    for shift, (base, change) in shifts.items():
        windows = known.beside[base].copy()
        for run in windows:
            for i in range(LEAD, len(run)):
                run[i] = change(run[i], rng)
        known.windows[f"{base} {shift}"] = windows
    return [calm, known]


DEFAULT = {"evidently": 1.0, "nannyml": 3.0}
"""The score from which each peer alarms by default."""


def ask(name: str, folder: Path) -> float | None:
    """Let a peer judge all studies in a folder; its seconds, or None where it is not built."""
    python = ROOT / ".peers" / name / "bin" / "python"
    if not python.exists():
        print(f"{name}: not built (make .peers/{name}/.done); left out", flush=True)
        return None
    began = time.monotonic()
    script = HERE.parent / "peers" / f"verdicts_{name}.py"
    done = subprocess.run(
        [python, "-W", "ignore", script, folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return time.monotonic() - began


def median(waits: Iterable[float]) -> str:
    """The median wait, "–" where less than half were found."""
    ordered = sorted(waits)
    middle = ordered[len(ordered) // 2] if ordered else math.inf
    return f"{middle:g}" if math.isfinite(middle) else "–"
