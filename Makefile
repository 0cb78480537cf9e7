# Everything a fresh machine needs is python3 (3.11 or newer, with venv) and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OBJECTS ?= 5000
SECONDS ?= 600

.PHONY: demo test check coverage bench fuzz soak reference images dist packages lowest audit clean

demo: $(VENV)/.ready           ## run the main job on the embedded OSS
	$(BIN)/bulkmeta demo --objects $(OBJECTS)

test: $(VENV)/.ready-test      ## the whole test suite but its long runs
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

check: $(VENV)/.ready-dev      ## what .ci/run checks beside the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict docs/examples docs/images docs/make_reference.py
	$(BIN)/lint-imports

coverage: $(VENV)/.ready-dev   ## all tests, long runs too; fails below 95 % of branches
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term --cov-fail-under=95

bench: $(VENV)/.ready-test $(VENV)-peers/.ready  ## other clients on the same server; needs nginx
	$(BIN)/python -m benchmarks --peers $(VENV)-peers/bin/python --chart docs/benchmarks.svg

fuzz: $(VENV)/.ready-fuzz      ## any bytes in the place of files and answers, for so many seconds
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

soak: $(VENV)/.ready-test      ## half an hour on a service that misbehaves: nothing may be held on to
	$(BIN)/python -m benchmarks.soak

reference: $(VENV)/.ready      ## what of the documentation is made from the code
	$(BIN)/python docs/make_reference.py

images: $(VENV)/.ready-test    ## the pictures of the README; needs chromium
	$(BIN)/python docs/images/make.py

dist: $(VENV)/.ready-dev       ## sdist, and the wheel that is built from it
	rm -rf dist
	$(BIN)/uv build -q --out-dir dist .

packages: $(VENV)/.ready-dev   ## both, tried as users get them, on each Python that is here
	.ci/packages

lowest: $(VENV)/.ready-dev     ## the test suite with the oldest dependencies that may be
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)-lowest
	$(BIN)/uv pip install -q --python $(VENV)-lowest/bin/python --resolution lowest-direct -e . --group test
	$(VENV)-lowest/bin/python -m pytest -n auto --dist worksteal -m "not slow"

audit: $(VENV)/.ready-dev      ## known holes in dependencies; asks the index's own database
	$(BIN)/uv pip compile -q --all-extras --generate-hashes -o $(VENV)/audited.txt pyproject.toml
	$(BIN)/uvx pip-audit --strict --disable-pip --require-hashes -r $(VENV)/audited.txt

clean:
	rm -rf $(VENV) $(VENV)-peers $(VENV)-lowest build dist .mypy_cache .pytest_cache .ruff_cache .coverage*

# A venv with a recent pip. Debian without python3-venv has no ensurepip: there the
# system's pip, if present, installs into the venv from outside.
$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || $(PYTHON) -m venv --without-pip --clear $(VENV)
	if [ -x $(BIN)/pip ]; then $(BIN)/python -m pip install -q --upgrade 'pip>=25.1'; \
	else $(PYTHON) -m pip --python $(BIN)/python install -q 'pip>=25.1'; fi
	touch $@

$(VENV)/.ready: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(BIN)/python -m pip install -q --group test
	touch $@

$(VENV)/.ready-fuzz: $(VENV)/.ready-test
	$(BIN)/python -m pip install -q --group fuzz
	touch $@

$(VENV)-peers/.ready: $(VENV)/.pip benchmarks/peers.txt
	$(PYTHON) -m venv --without-pip --clear $(VENV)-peers
	$(BIN)/python -m pip --python $(VENV)-peers/bin/python install -q -r benchmarks/peers.txt
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-test
	$(BIN)/python -m pip install -q --group dev
	touch $@
