# Commands for contributors. `make` without arguments lists them.
#
# Required beforehand: python3 (3.8 or newer) with its venv module, make and git.
# Everything else is installed into .venv, which `make clean` removes.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# setuptools prints a long warning about editable installations.
PIP    := PYTHONWARNINGS="ignore:Editable installation" $(PY) -m pip --disable-pip-version-check
PACKAGES = target_tools target_python_sdk delivery_api_client target_decisioning_engine

# Each step of an installation writes a stamp at its end, so a failed step is repeated by the next run.
INSTALLED := $(VENV)/.installed
# HTTP doubles replace parts of urllib3 and add plug-ins to pytest, so they have a separate virtual environment.
DOUBLES   := $(VENV)/doubles
# The tools that build and check the distributions require many packages, so they have another virtual environment.
DIST      := $(VENV)/distribution
with = $(VENV)/.installed-$(1)

.DEFAULT_GOAL := help
.PHONY: help demo demo-wsgi demo-celery test coverage measured-client measured-others slow reliability servers quick doubles lint types bench soak fuzz reliability-page docs site dist dist-check sbom release-check clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-16s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## show which offers visitors get, using a local edge
	@$(PY) -m target_python_sdk demo

demo-wsgi: $(call with,servers) ## run a WSGI application under each installed server
	@$(PY) samples/wsgi/demo.py

demo-celery: $(call with,servers) ## run Celery tasks that make decisions and send notifications
	@$(PY) samples/celery/demo.py

# The tests of faults, signals and servers depend on timing, and a trace function doubles the time of slow tests, so
# these are not measured for coverage.
UNMEASURED := tests/reliability tests/servers
UNMEASURED_TESTS := $(PY) -m pytest -p no:cacheprovider
# The tests in these folders have separate targets.
SEPARATE := tests/doubles tests/site

TEST_NEEDS := $(call with,test) $(call with,lint) $(call with,bench) $(call with,browser)

# Many tests wait for servers and processes, so there are more parts than most machines have cores.
test: $(TEST_NEEDS) ## run the test suite, in five parts at the same time; prints the output of each at its end
	@$(MAKE) --no-print-directory --jobs=5 --keep-going --output-sync=target coverage slow reliability servers

# The measured tests are two parts of similar length.
CLIENT := tests/client tests/ground
MEASURED_TESTS = COVERAGE_FILE=.coverage.$@ $(PY) -m pytest -p no:cacheprovider -m "not slow" \
	--cov --cov-report= --cov-fail-under=0

coverage: measured-client measured-others ## run the tests that are measured for coverage, and print it
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

measured-client: $(TEST_NEEDS)
	$(MEASURED_TESTS) $(CLIENT)

measured-others: $(TEST_NEEDS)
	$(MEASURED_TESTS) $(SEPARATE:%=--ignore=%) $(UNMEASURED:%=--ignore=%) $(CLIENT:%=--ignore=%)

slow: $(TEST_NEEDS)
	$(UNMEASURED_TESTS) $(SEPARATE:%=--ignore=%) $(UNMEASURED:%=--ignore=%) -m slow

reliability servers: $(TEST_NEEDS)
	$(UNMEASURED_TESTS) tests/$@

quick: $(call with,test) ## run the tests that need neither sockets nor processes; takes seconds
	$(PY) -m pytest -q -m "not (server or process or slow)"

doubles: $(DOUBLES)/.installed ## test the SDK with HTTP doubles and monitors
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(DOUBLES)/bin/python -m pytest -q tests/doubles

lint: $(call with,lint) ## run ruff, the style lint, and pylint's search for duplicate code
	$(PY) -m ruff check .
	$(PY) scripts/style_lint.py
	$(PY) -m pylint --disable=all --enable=duplicate-code --min-similarity-lines=7 --ignore-imports=y \
		--ignore-signatures=y --ignore-docstrings=y --ignore-comments=y $(PACKAGES)

types: $(call with,lint) $(call with,test) ## run mypy and pyright over the packages and the public API
	$(PY) -m mypy --strict $(PACKAGES) tests/typing/api.py
	$(PY) -m pyright --pythonpath $(PY) $(PACKAGES) tests/typing/api.py
	$(PY) -m pytest -q tests/typing

bench: $(call with,test) $(call with,bench) ## compare the speed with that of urllib3 and of other SDKs, and record the run in docs/
	$(PY) -m benchmarks --record docs
	$(PY) scripts/make_reliability_page.py

# The long tests are not part of `make test`.
SOAK_SECONDS ?= 3600
soak: $(call with,test) $(call with,servers) ## run the long tests for leaks, lost calls and growth; takes more than an hour
	$(PY) -m pytest -m soak
	nice -n 10 $(PY) -m tests.reliability.soak --seconds $(SOAK_SECONDS) --record docs/soak.json
	$(PY) scripts/make_reliability_page.py

# Seconds for each fuzz target.
FUZZ_SECONDS ?= 120
fuzz: $(call with,test) $(call with,fuzz) ## run the fuzzer, and the tests with many thousands of hostile inputs
	$(PY) -m tests.fuzzing --seconds $(FUZZ_SECONDS)
	$(PY) -m pytest -m fuzz

# The output of the tests contains their figures. If a test fails, the figures of the others are recorded nevertheless.
reliability-page: $(TEST_NEEDS) ## run the reliability tests, measure 1.1.0, and write docs/reliability.md
	-$(MAKE) --no-print-directory --keep-going reliability servers > .reliability.txt
	$(PY) -m tests.reliability.old_release --record docs/reliability.json
	$(PY) scripts/make_reliability_page.py --record .reliability.txt

# The variable turns off an announcement of the theme.
docs: $(call with,docs) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

site: docs $(call with,test) $(call with,browser) $(call with,site) ## build the documentation, and check its spelling, links, widths and accessibility
	$(PY) -m codespell_lib docs README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md samples scripts $(PACKAGES)
	@command -v chromium >/dev/null || { echo "Chromium is not installed, so the pages cannot be checked"; exit 1; }
	$(PY) -m pytest -q -p no:cacheprovider -n 2 tests/site

dist: $(DIST)/.installed ## build the source distribution and the wheel into dist/, reproducibly
	@rm -rf dist
	@$(DIST)/bin/python scripts/build_distributions.py

dist-check: dist ## check the distributions: build, install with each Python and extra, freeze, zip
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(DIST)/bin/python -m pytest -q -p xdist.plugin -n 2 -m distribution tests/distribution

sbom: dist ## list the components of an installation of the wheel in sbom.cdx.json
	@rm -rf $(DIST)/installed
	@$(PYTHON) -m venv --without-pip $(DIST)/installed
	@$(DIST)/bin/python -m pip --python $(DIST)/installed/bin/python --disable-pip-version-check install --quiet dist/*.whl
	@$(DIST)/bin/python -m cyclonedx_py environment --output-reproducible --output-format JSON \
		--output-file sbom.cdx.json $(DIST)/installed/bin/python

release-check: $(DIST)/.installed ## check whether this commit can be released
	@$(DIST)/bin/python scripts/release_check.py
	@$(MAKE) --no-print-directory dist-check

clean: ## remove everything that these commands created
	rm -rf $(VENV) site build dist sbom.cdx.json .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzzing .coverage* .reliability.txt *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --upgrade pip
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.installed-%: requirements/%.txt $(INSTALLED)
	@$(PIP) install --quiet --requirement $<
	@touch $@

$(DIST)/.installed: requirements/distribution.txt $(INSTALLED)
	@$(PYTHON) -m venv --clear $(DIST)
	@$(DIST)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

$(DOUBLES)/.installed: requirements/doubles.txt $(INSTALLED)
	@$(PYTHON) -m venv --clear $(DOUBLES)
	@PYTHONWARNINGS="ignore:Editable installation" $(DOUBLES)/bin/python -m pip --disable-pip-version-check \
		install --quiet --editable . --requirement $<
	@touch $@
