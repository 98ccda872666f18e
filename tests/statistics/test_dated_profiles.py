"""A log's profiles are the same to the last bit however its rows are cut and in whatever order the pieces come."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_rows import specify

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US, HOUR_US
from pilothouse.statistics.profiles import dated
from pilothouse.statistics.profiles.dated import DatedProfiles, merged
from pilothouse.statistics.profiles.profile import profile_rows
from pilothouse.statistics.profiles.profile_storage import decode, encode
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification

ODD = np.array(
    [
        struct.unpack("<d", struct.pack("<Q", bits))[0]
        for bits in (0xFFF8_0000_0000_0000, 0x7FF8_0000_0000_0001)
    ]
)
"""Not-a-numbers of other bits than the usual one."""
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, np.inf, -np.inf, *ODD]),
    st.floats(-10, 10, width=32),
)
ROWS = st.lists(
    st.tuples(st.integers(-3, 400), VALUES, VALUES, st.sampled_from(["a", "b", "none of them", None])),
    max_size=60,
)


def small() -> ProfileSpecification:
    values = np.array([-0.0, 0.0, 1.0, 2.5, 4.0])
    return build_specification(
        "binary", {"x": values}, {"c": ["a", "b", "a", "b", None]}, values / 5, ("0", "1"), bins=8
    )


def add(profiles: DatedProfiles, rows: list[tuple[int, float, float, str | None]]) -> None:
    profiles.add(
        np.array([hours * HOUR_US for hours, *_ in rows], np.int64),
        {"x": np.array([row[1] for row in rows], float)},
        {"c": [row[3] for row in rows]},
        np.array([row[2] for row in rows], float),
    )


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 12), st.sampled_from([DAY_US, HOUR_US]))
def test_chunks_of_any_size_in_any_order_give_the_same_bytes(rows, random, most, unit_us):
    specification = small()
    whole = DatedProfiles(specification, unit_us)
    add(whole, rows)
    shuffled = random.sample(rows, len(rows))
    parts = []
    while shuffled:
        part = DatedProfiles(specification, unit_us)
        for _ in range(random.randint(1, 3)):
            cut = random.randint(0, most)
            add(part, shuffled[:cut])
            shuffled = shuffled[cut:]
        parts.append(part.to_bytes())
    while len(parts) > 2:  # a tree of any shape
        some = random.randint(2, len(parts))
        parts = [merged(specification, unit_us, parts[:some]), *parts[some:]]
        random.shuffle(parts)
    assert merged(specification, unit_us, parts) == whole.to_bytes()


def test_profiles_that_are_held_as_bytes_meanwhile_are_the_same(monkeypatch: pytest.MonkeyPatch):
    rows = [(hours, float(hours % 7), 0.5, "a") for hours in range(24 * 40)]
    whole, small_memory = DatedProfiles(small(), DAY_US), DatedProfiles(small(), DAY_US)
    add(whole, rows)
    monkeypatch.setattr(dated, "_OPEN_CELLS", 10)
    for row in rows[::7] + [row for i, row in enumerate(rows) if i % 7]:
        add(small_memory, [row])
    assert small_memory.to_bytes() == whole.to_bytes()
    assert small_memory.rows(0, 10 * DAY_US) == 240
    assert small_memory.between(0, 10 * DAY_US).rows == 240


def test_a_zero_has_no_sign_in_what_an_earlier_release_stored():
    specification = small()
    profile = profile_rows(specification, {"x": np.array([0.0])}, {}, np.array([0.0]))
    stored = encode(specification, profile)
    signed = encode(specification, type(profile)(*(getattr(profile, n) for n in ("rows", "cells", "counts", "positions")),
                                                 np.copysign(profile.low, -1.0), profile.high))  # fmt: skip
    assert signed != stored
    assert encode(specification, decode(specification, signed)) == stored


def test_bytes_of_another_unit_or_specification_or_none_are_refused():
    profiles = DatedProfiles(small(), DAY_US)
    add(profiles, [(1, 1.0, 0.5, "a")])
    data = profiles.to_bytes()
    for other in (DatedProfiles(small(), HOUR_US), DatedProfiles(specify(), DAY_US)):
        with pytest.raises(IntegrityError):
            other.merge(data)
    with pytest.raises(IntegrityError):
        DatedProfiles(small(), DAY_US).merge(data[: len(data) // 2])


def test_a_log_of_times_that_are_none_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dated, "MOST_SPANS", 5)
    profiles = DatedProfiles(small(), DAY_US)
    with pytest.raises(InvalidInputError, match="more than 5 days or hours"):
        add(profiles, [(24 * day, 1.0, 0.5, "a") for day in range(6)])
