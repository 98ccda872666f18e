#!/usr/bin/env bash
# pysam 0.24.1 (Python 3.11)
#
# Guess:    the depth of a base is one number: count(), count_coverage(), pileup() and samtools depth of the same library agree on
#           reads that are mapped, primary, no duplicates and of mapping quality 60.
# Seen:     each has filters of its own. pileup() leaves out pairs that are not proper ones, stops at 8000 and has two counts, by read and
#           by base quality from 13 on (nsegments, get_num_aligned); count_coverage() counts from base quality 15 on, and pairs
#           of any kind; count() and depth count all. No warning.
# Output:   one base. 50 reads of quality 30: 50 in all. Quality 14: 50, but 0 by count_coverage. Quality 12: 0 by get_num_aligned
#           too. Pairs of which the mate is elsewhere: nothing by pileup, 50 by the others. 9000 reads: 8000 by pileup.
# Matters:  a feature "share of reads with the variant" has its numerator from one and its denominator from another, and at the place of a
#           rearrangement, where pairs are not proper, there is none. Name the filters in each call, or use one function for both.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pysam==0.24.1
cat > "$work/check.py" <<'PY'
import warnings

import pysam

warnings.simplefilter("error")
HEADER = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "chr1", "LN": 1000}]}
PAIRED, FIRST = 1, 64


def depth(reads, quality, flag=0):
    """The depth at the 0-based position 104 of `reads` equal reads that cover it."""
    with pysam.AlignmentFile("reads.bam", "wb", header=HEADER) as file:
        for number in range(reads):
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.query_sequence, read.flag = f"read{number}", "A" * 10, flag
            read.reference_id, read.reference_start, read.mapping_quality = 0, 100, 60
            read.cigartuples, read.query_qualities = [(0, 10)], [quality] * 10
            if flag & PAIRED:
                read.next_reference_id, read.next_reference_start = 0, 900
            file.write(read)
    pysam.index("reads.bam")
    with pysam.AlignmentFile("reads.bam") as file:
        columns = [(column.nsegments, column.get_num_aligned()) for column in file.pileup("chr1", 104, 105, truncate=True)]
        return {
            "count": file.count("chr1", 104, 105),
            "pileup, nsegments": columns[0][0] if columns else None,
            "pileup, get_num_aligned": columns[0][1] if columns else None,
            "count_coverage": sum(base[0] for base in file.count_coverage("chr1", 104, 105)),
            "depth": int(pysam.depth("-r", "chr1:105-105", "reads.bam").split()[2]),
        }


cases = {
    "quality 30": ((50, 30), [50, 50, 50, 50, 50]),
    "quality 14": ((50, 14), [50, 50, 50, 0, 50]),
    "quality 12": ((50, 12), [50, 50, 0, 0, 50]),
    "pairs, not proper": ((50, 30, PAIRED | FIRST), [50, None, None, 50, 50]),
    "9000 reads": ((9000, 30), [9000, 8000, 8000, 9000, 9000]),
}
for name, (reads, expected) in cases.items():
    seen = depth(*reads)
    print(f"{name:18} {seen}")
    assert list(seen.values()) == expected, f"{name}: the depth is another one now"
PY
cd "$work"
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
