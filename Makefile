PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

ALL_BACKENDS := torch tensorflow jax
# Each in a process of its own: they start processes and threads beside libraries that handle signals themselves.
APART := tests/serve tests/training tests/video

.PHONY: demo test test-slow test-web test-evaluate test-keras test-cluster test-cluster-faults check docs wheel release-check clean help

help:  ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: $(VENV)/.runtime  ## restore the example photos into demo/ and write demo/index.html
	$(BIN)/lightwell restore examples/*.jpg -o demo --compare --overwrite --report demo/index.html

test: $(VENV)/.dev  ## ruff, mypy, import rules and the quick tests
	$(MAKE) check
	$(BIN)/pytest -m "not slow and not web" $(addprefix --ignore=,$(APART))
	set -e; for folder in $(APART); do $(BIN)/pytest -m "not slow and not web" $$folder; done

test-slow: $(VENV)/.dev  ## the tests that take minutes
	$(BIN)/pytest -m slow

test-web: $(VENV)/.dev  ## the page in Chromium, which root gets installed on Debian where it is missing
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; }
	$(BIN)/pytest -m web -rs tests/serve

test-evaluate: $(VENV)-evaluate/.done  ## lightwell evaluate where there is no torch
	! $(VENV)-evaluate/bin/python -c "import torch" 2>/dev/null
	$(VENV)-evaluate/bin/pytest tests/evaluation/test_evaluate.py

test-keras: $(VENV)-keras/.done  ## lightwell.keras on all its backends, which are some 2 GB to install
	set -e; for backend in $(ALL_BACKENDS); do \
		KERAS_BACKEND=$$backend TF_CPP_MIN_LOG_LEVEL=2 $(VENV)-keras/bin/pytest tests/keras; \
	done

test-cluster: $(VENV)-cluster/.done  ## lightwell.cluster with Ray, which is some 700 MB to install
	$(VENV)-cluster/bin/pytest -m "not slow" tests/cluster tests/jobs/test_shards.py

test-cluster-faults: $(VENV)-cluster/.done  ## workers, drivers, disks and machines that die, with a real Ray; some minutes
	$(VENV)-cluster/bin/pytest -m slow tests/cluster

check: $(VENV)/.dev  ## ruff, mypy and import rules alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev  ## the documentation into build/site; a dead link or a public name without a docstring fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(VENV)/.dev  ## build dist/: the source, and from it the wheel
	rm -rf dist
	$(BIN)/python -m build -q

release-check: $(VENV)/.dev  ## what has to hold before a release
	$(BIN)/python tools/release.py
	$(MAKE) test test-slow docs wheel
	$(BIN)/python tools/sizes.py --check dist/*.whl
	$(BIN)/python tools/installs.py dist/*

clean:  ## remove everything that was made here
	rm -rf $(VENV) $(VENV)-evaluate $(VENV)-keras $(VENV)-cluster build dist demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/pip pyproject.toml
	$(BIN)/pip install -q -e .
	touch $@

# Constraints pin the one package whose newest build may be several gigabytes larger than a test needs.
$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.runtime

$(VENV)-evaluate/.done: pyproject.toml
	test -x $(VENV)-evaluate/bin/pip || $(PYTHON) -m venv $(VENV)-evaluate
	$(VENV)-evaluate/bin/pip install -q -e ".[evaluate]" onnx pytest
	touch $@

$(VENV)-keras/.done: pyproject.toml constraints.txt
	test -x $(VENV)-keras/bin/pip || $(PYTHON) -m venv $(VENV)-keras
	$(VENV)-keras/bin/pip install -q -c constraints.txt -e ".[dev]" tensorflow-cpu jax tf2onnx
	touch $@

# Object storage is moto's, on loopback.
$(VENV)-cluster/.done: pyproject.toml
	test -x $(VENV)-cluster/bin/pip || $(PYTHON) -m venv $(VENV)-cluster
	$(VENV)-cluster/bin/pip install -q -e ".[cluster]" flask flask-cors hypothesis "moto[s3]" onnx pytest
	touch $@
