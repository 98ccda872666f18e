# Everything a newcomer types. Each target makes what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test test-versions test-peers test-clients test-interop test-ecosystem test-ecosystem-data test-ecosystem-tools test-ecosystem-mlflow test-upgrade test-histories fuzz portable-long proof-console proof-ssh soak soak-ingest bench bench-fleet bench-verdicts bench-ablation bench-streams check lint types layers format docs site pictures lock clean help outbox-long test-alerts bench-rollouts bench-python proof-remote proof-far bench-scale bench-engine test-engine test-package

help:
	@echo "make demo    the whole story on real flights (console on a terminal, report without one)"
	@echo "make test    the test suite"
	@echo "make test-versions  the test suite on each Python found, with the newest and the oldest packages"
	@echo "make test-histories  1,000 random histories: the states on record, at every door, then and now (half an hour)"
	@echo "make fuzz    10,000 hostile inputs for each parser (half an hour)"
	@echo "make portable-long  5,000 random pipelines: their portable form is equal to the bit, or refused (half an hour)"
	@echo "make outbox-long  the daemon killed 200 times at the points of the outbox: no message is lost, none comes twice (minutes)"
	@echo "make soak    the long form of the proofs (tests/soak, tests/loop, the demo's models, kills of serving processes): about an hour"
	@echo "make proof-remote  a remote target at 500 requests a second, whatever goes away meanwhile (some minutes)"
	@echo "make test-peers  our drift figures against Evidently and NannyML themselves, our log against another log and witness (installs them, each by itself)"
	@echo "make test-interop  a dossier before the verifier of OpenSSF Model Signing and CycloneDX's strict validator (installs both)"
	@echo "make test-ecosystem  tools that teams keep, themselves: databases, object stores, Prometheus, OpenLineage … (installs them; says what it skipped)"
	@echo "make test-alerts  messages by apprise to servers on loopback, and a real Alertmanager where one is (installs apprise by itself)"
	@echo "make test-engine  jobs on a real Dask cluster with TLS, and 100 kills of its workers, scheduler and connection (installs Dask by itself)"
	@echo "make test-upgrade  workspaces made under scikit-learn 1.8 and opened under today's (builds the environments of before)"
	@echo "make test-clients  tritonclient, KServe's, MLServer's and MLflow's clients and schemathesis against a server, ONNX files beside their versions (installs each by itself)"
	@echo "make test-package  wheel and sdist built again to the byte; the wheel installed by pip, uvx and pipx, and run (minutes)"
	@echo "make check   what CI runs: lint, types, layers, tests"
	@echo "make site    the documents as a site with a search, into build/site"
	@echo "make bench   medians and ratios on this machine"
	@echo "make bench-fleet  what a fleet of 10 to 200,000 deployments costs, into docs/performance.md (an hour)"
	@echo "make bench-scale  how views grow with records and events, as curves, into docs/performance.md (twenty minutes)"
	@echo "make bench-verdicts  false alarms and detection beside the peers, of monitors and roll-outs, into docs (half an hour)"
	@echo "make bench-rollouts  2,000 roll-outs a case through telemetry, evidence and keeper, into docs/rollouts.md (an hour)"
	@echo "make bench-streams  nine streams through the whole product, into docs/monitoring.md (twenty minutes)"
	@echo "make bench-python  the Python package: its import, and a run beside MLflow's client (installs it by itself)"
	@echo "make bench-engine  steps on a cluster beside Dask's own tasks, the launcher at home, and one worker (installs Dask by itself; minutes)"
	@echo "make bench-ablation  what each part of the drift verdict is worth, into docs/statistics.md (half an hour)"

# Pip comes last: without it making the environment was interrupted, and it is made anew.
$(VENV)/.run: requirements.lock pyproject.toml
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing locked packages into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/pilothouse demo

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q

# The suite on each Python that is named in pyproject.toml and found here, with the newest and with the oldest packages.
test-versions:
	@$(PYTHON) .ci/versions $(ARGS)
	@$(PYTHON) .ci/versions --lowest $(ARGS)

# A real sshd on loopback: who is let in, for what, what ends with the connection, and a federation of daemons on one board.
proof-ssh: $(VENV)/.dev
	@PH_FEDERATION=1 $(BIN)/python -m pytest -q -rs tests/ssh

# A remote target at 500 requests a second: its hub killed and away, it killed, its token revoked.
proof-remote: $(VENV)/.dev
	@PH_REMOTE_RATE=500 PH_REMOTE_SECONDS=10 $(BIN)/python -m pytest -q -s tests/daemon/test_remote_under_load.py

# A remote target across a bad network: packets lost and late, half-open connections, another address. As root, on Linux.
proof-far: $(VENV)/.dev
	@PH_FAR_NETWORK=1 $(BIN)/python -m pytest -q -s tests/daemon/test_far_network.py

# PH_SEED=NUMBER begins with that history.
test-histories: $(VENV)/.dev
	@PH_HISTORIES=$${PH_HISTORIES:-1000} $(BIN)/python -m pytest -n 2 --dist worksteal -q tests/operations/test_histories.py

# The long form of the proofs: minutes to an hour; each prints its seed.
soak: $(VENV)/.dev
	@PILOTHOUSE_SOAK=1 $(BIN)/python -m pytest -q -s tests/soak tests/loop tests/ssh tests/training/test_demo_models.py tests/serving/test_serving_host.py

# 10,000 inputs for each parser; FUZZ_SEED=NUMBER draws others, a failure prints what draws its input again.
fuzz: $(VENV)/.dev
	@FUZZ_INPUTS=$${FUZZ_INPUTS:-10000} $(BIN)/python -m pytest -n 2 --dist worksteal -q tests/fuzz

# PH_OUTBOX_KILLS=NUMBER kills more often, PH_SEED=NUMBER draws other answers.
outbox-long: $(VENV)/.dev
	@PH_OUTBOX_KILLS=$${PH_OUTBOX_KILLS:-200} $(BIN)/python -m pytest -q -s tests/outbox/test_killed.py

# 5,000 random pipelines: the portable form of each is equal to the bit, or refused.
portable-long: $(VENV)/.dev
	@PORTABLE_PIPELINES=$${PORTABLE_PIPELINES:-5000} $(BIN)/python -m pytest -n 2 --dist worksteal -q tests/inference/portable/test_random_pipelines.py

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

layers: $(VENV)/.dev
	@$(BIN)/lint-imports

check: lint types layers test

# Evidently and NannyML cannot live beside our packages (pandas 3) nor beside each other: an environment each.
.peers/%/.done: tests/peers/requirements-%.txt
	@test -x .peers/$*/bin/python || $(PYTHON) -m venv .peers/$*
	@echo "installing $* into .peers/$* ..."
	@.peers/$*/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@

# An independent log and witness, which need a newer Python: PYTHON_3_12=PROGRAM names one.
PYTHON_3_12 ?= python3.12
.peers/aics/.done: tests/peers/requirements-aics.txt
	@test -x .peers/aics/bin/python || $(PYTHON_3_12) -m venv .peers/aics
	@echo "installing aics-tlog and aics-witness into .peers/aics ..."
	@.peers/aics/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@

test-peers: $(VENV)/.dev .peers/evidently/.done .peers/nannyml/.done .peers/aics/.done
	@PILOTHOUSE_PEERS=1 $(BIN)/python -m pytest -q tests/peers

# Clients that people have, an environment each. CASES=NUMBER of schemathesis for each operation.
.clients/%/.done: tests/clients/requirements-%.txt
	@test -x .clients/$*/bin/python || $(PYTHON) -m venv .clients/$*
	@echo "installing $* into .clients/$* ..."
	@.clients/$*/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@

test-clients: $(VENV)/.dev .clients/triton/.done .clients/kserve/.done .clients/mlserver/.done .clients/mlflow/.done .clients/onnx/.done
	@PILOTHOUSE_CLIENTS=1 $(BIN)/python -m pytest -q -rP tests/clients
	@.clients/onnx/bin/python -m pytest -q tests/daemon/test_onnx_export.py

# Jobs on a cluster. PH_CLUSTER_KILLS=NUMBER kills more or less often, PH_SEED=NUMBER draws others.
.engine/.done: requirements-dev.lock pyproject.toml
	@test -x .engine/bin/pip || $(PYTHON) -m venv --clear .engine
	@echo "installing Dask into .engine ..."
	@.engine/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r requirements-dev.lock
	@.engine/bin/python -m pip --disable-pip-version-check -q install "dask[distributed]==2026.8.0"
	@.engine/bin/python -m pip --disable-pip-version-check -q install --no-deps --no-build-isolation -e .
	@touch $@

test-engine: .engine/.done
	@PH_CLUSTER_KILLS=$${PH_CLUSTER_KILLS:-100} .engine/bin/python -m pytest -q -s -rs tests/execution/test_cluster.py tests/execution/test_cluster_logs.py tests/execution/test_cluster_full_disk.py tests/execution/test_cluster_kills.py tests/daemon/test_cluster_jobs.py

bench-engine: .engine/.done
	@.engine/bin/python tests/benchmarks/bench_engine.py

# What teams keep beside Pilothouse, real and on loopback: an environment with every extra, and what is not there is said.
.ecosystem/data/.done: tests/ecosystem/requirements-data.txt requirements-dev.lock pyproject.toml
	@test -x .ecosystem/data/bin/pip || $(PYTHON) -m venv --clear .ecosystem/data
	@echo "installing databases' drivers, DuckDB, Polars, Delta Lake, Iceberg, fsspec, moto and pandera into .ecosystem/data ..."
	@.ecosystem/data/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r requirements-dev.lock
	@.ecosystem/data/bin/python -m pip --disable-pip-version-check -q install -r $<
	@.ecosystem/data/bin/python -m pip --disable-pip-version-check -q install --no-deps --no-build-isolation -e .
	@touch $@

test-ecosystem: test-ecosystem-data test-ecosystem-tools test-ecosystem-mlflow test-alerts

test-ecosystem-data: .ecosystem/data/.done
	@PILOTHOUSE_ECOSYSTEM=1 .ecosystem/data/bin/python -m pytest -q -rs tests/ecosystem/test_sources_by_url.py tests/ecosystem/test_sources_on_servers.py tests/ecosystem/test_sources_in_use.py tests/ecosystem/test_training_by_url.py tests/ecosystem/test_contracts.py tests/ecosystem/test_commands_by_url.py tests/ecosystem/test_logs_by_url.py tests/ecosystem/test_exported_telemetry.py tests/ecosystem/test_iceberg_of_others.py

# Programs of others around a workspace; each file of tests installs what it needs into .ecosystem.
test-ecosystem-tools: $(VENV)/.dev
	@PILOTHOUSE_ECOSYSTEM=1 $(BIN)/python -m pytest -q -rs tests/ecosystem/test_prometheus.py tests/ecosystem/test_openlineage.py tests/ecosystem/test_grafana.py tests/ecosystem/test_pre_commit.py

# Messages by apprise, in an environment with the extra "alerts"; an Alertmanager where one is installed.
test-alerts: $(VENV)/.dev .clients/alerts/.done
	@.clients/alerts/bin/python -m pytest -q -rs tests/outbox

# Verifiers of what a dossier hands out, an environment each.
.interop/%/.done: tests/interop/requirements-%.txt
	@test -x .interop/$*/bin/python || $(PYTHON) -m venv .interop/$*
	@echo "installing $* into .interop/$* ..."
	@.interop/$*/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@

test-interop: $(VENV)/.dev .interop/signing/.done .interop/cyclonedx/.done
	@PILOTHOUSE_INTEROP=1 $(BIN)/python -m pytest -q tests/interop

# The real tools of a team, each a folder of tests/ecosystem with its requirements and tests.
test-ecosystem-mlflow: $(VENV)/.dev
	@PYTHON=$(PYTHON) $(BIN)/python tests/ecosystem/run.py mlflow

# Environments of before in .upgrade: this Pilothouse under scikit-learn 1.8, and the last one without portable forms.
.upgrade/scikit-learn-1.8/.done: tests/upgrade/requirements.txt pyproject.toml
	@test -x .upgrade/scikit-learn-1.8/bin/pip || $(PYTHON) -m venv --clear .upgrade/scikit-learn-1.8
	@echo "installing scikit-learn 1.8 into .upgrade/scikit-learn-1.8 ..."
	@.upgrade/scikit-learn-1.8/bin/python -m pip --disable-pip-version-check -q install -e . -r $<
	@touch $@

.upgrade/before-portable/.done: .upgrade/scikit-learn-1.8/.done tests/upgrade/before_portable.sh
	@sh tests/upgrade/before_portable.sh
	@touch $@

test-upgrade: $(VENV)/.dev .upgrade/scikit-learn-1.8/.done .upgrade/before-portable/.done
	@PILOTHOUSE_UPGRADE=1 $(BIN)/python -m pytest -q -rP tests/upgrade

# Wheel and sdist, and the wheel alone installed by pip, uvx and pipx; these two in an environment of their own.
.clients/tools/.done:
	@test -x .clients/tools/bin/pip || $(PYTHON) -m venv --clear .clients/tools
	@.clients/tools/bin/python -m pip --disable-pip-version-check -q install uv pipx
	@touch $@

test-package: $(VENV)/.dev .clients/tools/.done
	@PILOTHOUSE_PACKAGE=1 PILOTHOUSE_TOOLS=$(CURDIR)/.clients/tools $(BIN)/python -m pytest -q -rs tests/package

proof-console: $(VENV)/.dev
	@HOSTILE_STRINGS=10000 RESIZES=1000 $(BIN)/python -m pytest -q tests/console/test_terminals.py

bench: $(VENV)/.dev
	@$(BIN)/python tests/benchmarks/bench.py

# ARGS='--sizes 2000,20000 --only overview,daemon' measures a part; --before SRC puts an earlier release beside it.
bench-fleet: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/bench_fleet.py --write $(ARGS)

# ARGS='--records 1000,10000 --events ""' measures a part; --results FILE gathers several runs.
bench-scale: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/bench_scale.py --write $(ARGS)

soak-ingest: $(VENV)/.dev
	@$(BIN)/python tests/telemetry/soak_kills.py $(KILLS)
bench-python: $(VENV)/.dev .peers/mlflow/.done
	@$(BIN)/python tests/benchmarks/bench.py python

bench-verdicts: $(VENV)/.dev
	@$(BIN)/python tests/benchmarks/bench_verdicts.py --write

# ARGS='--rollouts 200' plays fewer.
bench-rollouts: $(VENV)/.dev
	@$(BIN)/python tests/benchmarks/bench_rollout_keeper.py --write $(ARGS)

bench-ablation: $(VENV)/.dev
	@$(BIN)/python tests/benchmarks/bench_ablation.py --write

# STREAMS=name,name and DAYS=days measure a part, which is printed and not written. NannyML's column where its environment is (see test-peers).
bench-streams: $(VENV)/.dev
	@STREAMS=$(STREAMS) DAYS=$(DAYS) $(BIN)/python tests/benchmarks/bench_streams.py --write

format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.run
	@$(BIN)/python docs/tables.py

# The documents as pages of a site with a search: build/site/index.html.
site: $(VENV)/.dev
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site
	@echo "build/site/index.html"

pictures: $(VENV)/.run
	@test -n "$(WORKSPACE)" || { echo "make pictures WORKSPACE=DIR: a workspace of the demo"; exit 2; }
	@$(BIN)/python docs/pictures.py "$(WORKSPACE)"

UV_COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

# Pins that a file holds are kept. Where a bound in pyproject.toml was lowered, remove requirements-lowest.lock beforehand.
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv"; exit 2; }
	$(UV_COMPILE) pyproject.toml --group dev -o requirements-dev.lock
	printf 'hatchling>=1.27\neditables>=0.5\n' | $(UV_COMPILE) pyproject.toml - -c requirements-dev.lock -o requirements.lock
	$(UV_COMPILE) --resolution lowest-direct pyproject.toml --group dev -o requirements-lowest.lock
	@sed -i '1i # Locked versions of everything the demo and the tests need; made by `make lock`.' requirements-dev.lock
	@sed -i '1i # Locked versions of everything Pilothouse needs to run; made by `make lock`.' requirements.lock
	@sed -i '1i # The lowest versions that pyproject.toml allows, for the tests to run with; made by `make lock`.' requirements-lowest.lock

clean:
	rm -rf $(VENV) .versions .pytest_cache .mypy_cache .ruff_cache dist build
