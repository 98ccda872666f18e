#!/usr/bin/env bash
# pint 0.25.3 (numpy 2.4.6, Python 3.11)
#
# Guess:    quantities in different units are converted before they are compared: 0 °C is 273.15 K and not 0 K. The range
#           of temperatures is a difference, as their standard deviation is.
# Seen:     where both figures are 0 only the dimension is compared: 0 °C == 0 K and 0 °C == 0 °F are True, while 0 °C < 0 K is False
#           and 0 °C > 0 K is True as well. In arrays too: all zeros equal all zeros, and zeros among other values do not.
#           np.ptp of degrees Celsius is a temperature: a range of 4 is 277.15 K; np.std of the same values is a difference.
# Output:   0 °C == 0 K: True; 0 °C > 0 K: True; [0, 0] °C == [0, 0] K: [True, True]; [0, 10] °C == [0, 283.15] K: [False, True];
#           ptp of 20, 22, 24 °C in kelvin 277.15, std 1.63.
# Matters:  zero is what an empty or reset sensor gives: a test or contract that compares two sources passes exactly there
#           although one lost its unit. Convert to one unit and compare magnitudes.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pint==0.25.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import pint

units = pint.UnitRegistry()
Q = units.Quantity
same = Q(0.0, "degC") == Q(0.0, "kelvin")
more = Q(0.0, "degC") > Q(0.0, "kelvin")
other = Q(0.0, "degC") == Q(0.0, "degF")
one = Q(1.0, "degC") == Q(1.0, "kelvin")
zeros = Q([0.0, 0.0], "degC") == Q([0.0, 0.0], "kelvin")
mixed = Q([0.0, 10.0], "degC") == Q([0.0, 283.15], "kelvin")
print(f"0 °C == 0 K {same}; 0 °C > 0 K {more}; 0 °C == 0 °F {other}; 1 °C == 1 K {one}; 0 °C is {Q(0.0, 'degC').to('kelvin')}")
print("arrays of zeros", zeros, "with others", mixed)
days = Q([20.0, 22.0, 24.0], "degC")
span, spread = np.ptp(days), np.std(days)
print("range", span, "is", span.to("kelvin"), "; deviation", spread, "is", spread.to("kelvin"))
assert same and other and np.all(zeros), "zeros in two units are told apart now"
assert more and not one
assert np.asarray(mixed).tolist() == [False, True], "arrays are compared otherwise now"
assert abs(span.to("kelvin").magnitude - 277.15) < 1e-9, "a range is a difference now"
assert abs(spread.to("kelvin").magnitude - 1.633) < 1e-3
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
