#!/usr/bin/env bash
# pyEDFlib 0.1.42 (numpy 2.4.6, Python 3.11)
#
# Guess:    a biosignal that is written to EDF and read again is the same to a step of its 16 bits, and of the same
#           length; a missing sample, which EDF cannot say, is refused.
# Seen:     1. EdfWriter.writeSamples writes a missing sample as the lowest voltage of the range (on x86-64), a sample
#              out of range as the end of the range, each without a word. highlevel.write_edf refuses both.
#           2. EDF holds whole records. The last one is filled up with the value next to zero, by both writers, and
#              reading gives the filling as samples. One second at 256 Hz; but for a rate that does not divide a
#              second the record is longer: 76.8 s of 33.33 Hz grow by 5 s. No field tells the true end.
# Output:   ten samples missing near 261 uV are read as -500.0; 2,500 samples are read as 2,560, 2,560 as 2,727.
# Matters:  an electrode that came off is read as the strongest event of the night, a flat second at the end as
#           "signal lost", and rows per recording exceed what was measured. Keep the number of samples beside the file, write
#           gaps as annotations, and compare what was read with what was written.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pyEDFlib==0.1.42 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
import warnings

import numpy as np
from pyedflib import FILETYPE_EDFPLUS, EdfWriter, highlevel

path = sys.argv[1] + "/night.edf"
signal = 400 * np.sin(2 * np.pi * np.arange(2560) / 256)


def round_trip(samples, rate, simple=False):
    headers = highlevel.make_signal_headers(["EEG"], sample_frequency=rate, physical_min=-500, physical_max=500)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if simple:
            highlevel.write_edf(path, [samples], headers)
        else:
            writer = EdfWriter(path, 1, file_type=FILETYPE_EDFPLUS)
            writer.setSignalHeaders(headers)
            writer.writeSamples([samples])
            writer.close()
        read, *_ = highlevel.read_edf(path)
    assert not said, "pyEDFlib warns now"
    return read[0]


exact = round_trip(signal, 256)
assert len(exact) == 2560 and np.abs(exact - signal).max() < 0.016
gaps, strong = signal.copy(), signal.copy()
gaps[100:110], strong[100] = np.nan, 900.0
read_gaps, read_strong = round_trip(gaps, 256), round_trip(strong, 256)
print("written", gaps[98:102].round(1), "read", read_gaps[98:102].round(1))
print("written", strong[98:102].round(1), "read", read_strong[98:102].round(1))
refused = 0
for some in (gaps, strong):
    try:
        round_trip(some, 256, simple=True)
    except AssertionError:
        refused += 1
assert np.isfinite(read_gaps).all(), "missing samples are no longer written as numbers"
assert read_strong[100] == 500.0, "a sample out of range is no longer clipped"
assert refused == 2, "highlevel.write_edf takes both now"
lengths = {}
for rate, samples in ((256, signal), (256, signal[:2500]), (33.33, signal)):
    for simple in (False, True):
        back = round_trip(samples, rate, simple)
        lengths[rate, len(samples), simple] = len(back), float(np.abs(back[len(samples):]).max(initial=0))
        print(f"{rate:6} Hz, {'write_edf' if simple else 'EdfWriter':9}: {len(samples)} samples written, {len(back)} read, "
              f"the added ones {back[len(samples):][:2].round(4)}")
for simple in (False, True):
    assert lengths[256, 2560, simple][0] == 2560
    assert lengths[256, 2500, simple][0] == 2560, "the last record is no longer filled up"
    assert lengths[33.33, 2560, simple][0] > 2700, "a rate that does not divide a second adds less now"
assert max(size for _, size in lengths.values()) < 0.01, "the last record is filled up otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
