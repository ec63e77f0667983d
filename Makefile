# For people and CI alike. Everything is installed into .venv; `make clean` takes it away again.
#
# torch is needed by the tests and by `make models`, never by the demo. Plain pip takes its CUDA build on
# Linux, several gigabytes. Without a GPU, point PIP_EXTRA_INDEX_URL at PyTorch's index of CPU wheels (its
# address is on PyTorch's install page) before `make test`: the CPU build of the same version wins.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The working directory stays off sys.path: folders such as kernels/ would shadow installed packages.
export PYTHONSAFEPATH := 1

.PHONY: demo test check bench models clean

demo: .venv/.base
	@printf '\n\033[1mEnglish news, entities in brackets\033[0m  (nerx tag examples/news.jsonl)\n\n'
	@$(BIN)/nerx tag --quiet examples/news.jsonl | $(BIN)/python examples/show.py
	@printf '\n\033[1mChinese prose, words parted\033[0m  (nerx tag -m zh --to words examples/prose_zh.txt)\n\n'
	@$(BIN)/nerx tag --quiet -m zh --to words examples/prose_zh.txt
	@printf '\n\033[1mOne line as it is written\033[0m\n\n'
	@$(BIN)/nerx tag examples/news.jsonl | tail -n 1

test: .venv/.dev
	$(BIN)/pytest

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .types && ln -sfn .. .types/nerx  # mypy finds nerx.engine in engine/ through this link
	MYPYPATH=.types $(BIN)/mypy

clean:
	rm -rf .venv .types build dist *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Stamps: a second `make` installs nothing unless what is asked for has changed.
.venv/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/.dev: .venv/.base
	$(INSTALL) --editable '.[dev]'
	@touch $@
