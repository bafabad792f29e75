# What a contributor says to this project.  `make` alone lists it.
#
# Needed beforehand: python3 (3.8 or newer) with its venv module, make and git.
# Everything else goes into .venv, which `make clean` takes away again.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# setuptools warns of editable installs at length; this one is meant.
PIP    := PYTHONWARNINGS="ignore:Editable installation" $(PY) -m pip --disable-pip-version-check
PACKAGES = $(wildcard target_tools target_python_sdk delivery_api_client target_decisioning_engine)

# A stamp is written when its step is through, so what a failed run left behind is made anew.
INSTALLED := $(VENV)/.installed
# HTTP doubles replace parts of urllib3 and add plug-ins to pytest, so they have an environment of their own.
DOUBLES   := $(VENV)/doubles
with = $(VENV)/.installed-$(1)

.DEFAULT_GOAL := help
.PHONY: help demo demo-wsgi demo-celery test doubles lint types bench soak fuzz docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## what visitors get, from a Target edge on this machine
	@$(PY) -m target_python_sdk demo

demo-wsgi: $(call with,servers) ## one WSGI application under each server that is here
	@$(PY) samples/wsgi/demo.py

demo-celery: $(call with,servers) ## tasks that decide and tell, on a broker of their own
	@$(PY) samples/celery/demo.py

test: $(call with,test) ## the whole suite
	$(PY) -m pytest

doubles: $(DOUBLES)/.installed ## the SDK under HTTP doubles and monitors
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(DOUBLES)/bin/python -m pytest -q tests/doubles

lint: $(call with,lint) ## ruff, and no text that stands in two places
	$(PY) -m ruff check .
	$(PY) -m pylint --disable=all --enable=duplicate-code --min-similarity-lines=7 --ignore-imports=y \
		--ignore-signatures=y --ignore-docstrings=y --ignore-comments=y $(PACKAGES)

types: $(call with,lint) $(call with,test) ## mypy and pyright, over the packages and over every legal use of them
	$(PY) -m mypy --strict $(PACKAGES) tests/typing/api.py
	$(PY) -m pyright --pythonpath $(PY) $(PACKAGES) tests/typing/api.py
	$(PY) -m pytest -q tests/typing

bench: $(call with,test) ## the SDK beside raw urllib3, in one run
	$(PY) -m benchmarks

# The long runs are no part of `make test`.  Until the first of them is written pytest
# finds nothing and says 5, which here is no failure.
soak fuzz: $(call with,test)
	@$(PY) -m pytest -m $@ || { code=$$?; test $$code -eq 5 && echo "No test is marked '$@' yet."; }
soak: $(call with,servers) ## hours in minutes: leaks, lost calls, slow growth
fuzz: ## mutated answers and hostile input, many thousands

docs: $(call with,docs) ## the pages, into site/
	$(PY) -m mkdocs build --strict

clean: ## take away what the other targets made
	rm -rf $(VENV) site build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --quiet --upgrade pip
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.installed-%: $(INSTALLED)
	@$(PIP) install --quiet --editable '.[$*]'
	@touch $@

$(DOUBLES)/.installed: tests/requirements-doubles.txt $(INSTALLED)
	@$(PYTHON) -m venv --clear $(DOUBLES)
	@PYTHONWARNINGS="ignore:Editable installation" $(DOUBLES)/bin/python -m pip --disable-pip-version-check \
		install --quiet --editable . --requirement tests/requirements-doubles.txt
	@touch $@
