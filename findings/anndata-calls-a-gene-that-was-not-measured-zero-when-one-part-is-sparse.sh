#!/usr/bin/env bash
# anndata 0.12.19 (scipy 1.17.1, pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    concat(join="outer") of two batches with other genes marks what a batch did not measure as missing, however its matrix
#           is stored; dense and sparse matrices are two forms of the same numbers.
# Seen:     where all matrices are dense, it is not a number. Where one of them is sparse it is 0, in the cells of the dense batch too. Which genes
#           were measured is nowhere in the result. No warning.
# Output:   batch one with the genes g1 and g2, batch two with g2 and g3. Both dense: 3 values not a number. Both sparse, or only the
#           second: zeros in their place. With fill_value=nan: 3 again, in a sparse matrix.
# Matters:  "not expressed" and "not on this panel" are one, and what tells the batches apart best is the panel: a model learns it. Whether
#           that is so depends on how one of many files was stored. Name fill_value, or join="inner".
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    anndata==0.12.19 scipy==1.17.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import scipy.sparse

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata

warnings.simplefilter("error")


def batch(cells, genes, sparse):
    values = np.ones((len(cells), len(genes)), np.float32)
    made = anndata.AnnData(scipy.sparse.csr_matrix(values) if sparse else values)
    made.obs_names, made.var_names = cells, genes
    return made


def joined(first_sparse, second_sparse, **options):
    parts = [batch(["a", "b"], ["g1", "g2"], first_sparse), batch(["c"], ["g2", "g3"], second_sparse)]
    result = anndata.concat(parts, join="outer", **options)
    values = result.X.toarray() if scipy.sparse.issparse(result.X) else result.X
    kept = sorted(result.var.columns), sorted(result.obs.columns), sorted(result.uns)
    assert kept == ([], [], []), "the result says which genes were measured now"
    print(f"first {'sparse' if first_sparse else 'dense'}, second {'sparse' if second_sparse else 'dense'} {options}: {values.tolist()}")
    return values


unmeasured = np.array([[False, False, True], [False, False, True], [True, False, False]])
assert (np.isnan(joined(False, False)) == unmeasured).all()
for first_sparse, second_sparse in ((True, True), (False, True), (True, False)):
    values = joined(first_sparse, second_sparse)
    assert (values[unmeasured] == 0).all() and (values[~unmeasured] == 1).all(), "what was not measured is not 0 any more"
warnings.simplefilter("ignore", scipy.sparse.SparseEfficiencyWarning)
assert (np.isnan(joined(False, True, fill_value=np.nan)) == unmeasured).all()
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
