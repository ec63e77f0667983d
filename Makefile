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

.PHONY: demo test test-scale test-transformers5 check docs bench models clean

demo: .venv/.base
	@printf '\n\033[1mEnglish news, entities in brackets\033[0m  (nerx tag examples/news.jsonl)\n\n'
	@$(BIN)/nerx tag --quiet examples/news.jsonl | $(BIN)/python examples/show.py
	@printf '\n\033[1mChinese prose, words parted\033[0m  (nerx tag -m zh --to words examples/prose_zh.txt)\n\n'
	@$(BIN)/nerx tag --quiet -m zh --to words examples/prose_zh.txt
	@printf '\n\033[1mOne line as it is written\033[0m\n\n'
	@$(BIN)/nerx tag examples/news.jsonl | tail -n 1

test: .venv/.dev
	$(BIN)/pytest

# With Spark (400 MB, and Java 17), Daft and datatrove too, which `make test` skips.
test-scale: .venv/.dev
	$(INSTALL) --editable '.[dev,spark]' daft datatrove
	$(BIN)/pytest tests/engine/cluster

# What exports and trains models, once more with transformers 5, which optimum does not work with.
test-transformers5: .venv-transformers5/.done
	.venv-transformers5/bin/python -m pytest -m "not slow" --ignore tests/export/test_tensorrt.py tests/export tests/finetune

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.venv $(BIN)/mypy

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# About 12 minutes on two cores that nothing else uses, and 3 more once, to make models of random weights.
# With ONEDNN_MAX_CPU_ISA=AVX2, what OpenVINO does on a processor without int8 instructions.
bench: .venv/.bench
	test -d models/random || $(BIN)/python -m nerx.benchmarks.random_models models/random
	$(BIN)/python -m nerx.benchmarks.suites.readme --random models/random

# Trains all built-in models anew and makes bundles of them under models/; some five hours on two cores.
# SHARED holds the encoders and corpora: docs/finetune.md says what they are and how the encoders are made.
SHARED ?= ../shared
DATA := $(SHARED)/data
GSD := $(DATA)/ud_zh_gsd
GSD_SIMPLIFIED := $(DATA)/ud_zh_gsdsimp
ENCODER := intfloat/multilingual-e5-small

# Each model is trained on sentences first, then goes on with documents, in any case.
TRAIN_EN := --train $(DATA)/conll2003/train.conll --dev $(DATA)/conll2003/dev.conll
TRAIN_ZH := --train $(GSD)/train.txt --train $(GSD_SIMPLIFIED)/train_opencc_derived.txt \
	  --dev $(GSD)/dev.txt --dev $(GSD_SIMPLIFIED)/dev.txt
ZH_SENTENCES := $(BIN)/nerx finetune nerx-zh-sentences --base $(SHARED)/encoders/e5-small-zh-char $(TRAIN_ZH)
TEACHERS := models/zh-plain models/zh-dropout models/zh-adversarial
# Open text for the fast ones; a file that is in models/ already is not fetched.
GITHUB := https://raw.githubusercontent.com
NLTK := nltk/nltk_data/gh-pages/packages/corpora
OPEN_TEXT := $(NLTK)/masc_tagged.zip $(NLTK)/state_union.zip $(NLTK)/inaugural.zip \
	  DRCKnowledgeTeam/DRCD/master/DRCD_dev.json DRCKnowledgeTeam/DRCD/master/DRCD_test.json \
	  ymcui/cmrc2018/master/squad-style-data/cmrc2018_trial.json
# What a model's metrics.json says of its making, for the manifest of its bundle: $(call card,NAME,TASK)
card = <($(BIN)/python -c 'import json; m = json.load(open("models/$1/metrics.json")); \
	  print(json.dumps({"task": "$2", "scores": {"dev F1": round(m["dev"]["f1"], 3)}, \
	  "seed": m["hyperparameters"]["seed"], "data": {f["file"]: f["sha256"] for f in m["data"]["train"]}}))')

models: .venv/.dev
	@test -d $(SHARED)/encoders || { echo "no encoders in $(SHARED); give their folder as SHARED=" >&2; exit 2; }
	$(BIN)/nerx finetune nerx-en-sentences --base $(SHARED)/encoders/e5-small-en $(TRAIN_EN) -o models/en-sentences
	$(BIN)/nerx finetune nerx-en --base models/en-sentences $(TRAIN_EN) -o models/en-documents
	$(BIN)/nerx finetune nerx-en --base models/en-documents $(TRAIN_EN) \
	  --set learning_rate=3e-5 --set seed=43 -o models/en
	$(BIN)/nerx export ./models/en --precision int8 --max-length 256 --title-case --name en -o models/en-bundle \
	  --source '$(ENCODER) (vocabulary pruned to English)' --license MIT \
	  --card $(call card,en,English named entities (PER ORG LOC MISC)) \
	  --verify $(DATA)/conll2003/dev.conll --calibration $(DATA)/conll2003/train.conll
	$(ZH_SENTENCES) --set epochs=8 -o models/zh-plain
	$(ZH_SENTENCES) --set epochs=7 --set word_dropout=0.15 --set hidden_dropout=0.15 -o models/zh-dropout
	$(ZH_SENTENCES) --set word_dropout=0.1 --set adversarial_step=1 -o models/zh-adversarial
	tr -d ' ' <$(DATA)/text/cmrc_zh.txt | LC_ALL=C.UTF-8 grep -Ex '.{5,200}' >models/zh-text.txt
	$(BIN)/python -m nerx.finetune.teach $(TEACHERS) --text models/zh-text.txt -o models/zh-taught.txt
	$(ZH_SENTENCES) --train models/zh-taught.txt -o models/zh-sentences
	$(BIN)/nerx finetune nerx-zh --base models/zh-sentences $(TRAIN_ZH) --train models/zh-taught.txt -o models/zh
	cat $(GSD)/dev.txt $(GSD_SIMPLIFIED)/dev.txt >models/zh-dev.txt
	$(BIN)/nerx export ./models/zh --precision int8 --max-length 256 --name zh -o models/zh-bundle \
	  --source '$(ENCODER) (vocabulary pruned to characters)' --license MIT \
	  --card $(call card,zh,Chinese word segmentation in both scripts) \
	  --verify models/zh-dev.txt --calibration $(GSD)/train.txt
	@# The fast ones learn what these say, of gold data with other names, of prose, and of text in both scripts.
	$(BIN)/python -m nerx.finetune.swap $(DATA)/conll2003/train.conll --copies 3 -o models/en-swapped.conll
	head -n 12000 $(DATA)/text/war_and_peace_en.txt >models/en-novel.txt
	for file in $(OPEN_TEXT); do \
	  test -f models/$${file##*/} || curl -fsSL $(GITHUB)/$$file -o models/$${file##*/}; done
	$(BIN)/python -m nerx.finetune.corpora models/masc_tagged.zip -o models/en-masc.txt
	for name in state_union inaugural; do unzip -p models/$$name.zip "$$name/*.txt"; done \
	  | iconv -f latin1 -t utf8 | grep -E '.{20,}' >models/en-speeches.txt
	$(BIN)/nerx finetune nerx-en-fast --teacher models/en-bundle $(TRAIN_EN) --train models/en-swapped.conll \
	  --text $(DATA)/text/gum_en.txt --text models/en-novel.txt --text models/en-masc.txt \
	  --text models/en-speeches.txt -o models/en-fast
	$(BIN)/nerx export ./models/en-fast --precision int8 --max-length 256 --title-case --name en-fast -o models/en-fast-bundle \
	  --source '$(ENCODER) (vocabulary pruned to English, cut to 3 layers)' --license MIT \
	  --card $(call card,en-fast,English named entities (PER ORG LOC MISC)) \
	  --verify $(DATA)/conll2003/dev.conll --calibration $(DATA)/conll2003/train.conll
	$(INSTALL) opencc-python-reimplemented
	$(BIN)/python -m opencc --config s2tw --input models/zh-text.txt --output models/zh-text-traditional.txt
	$(BIN)/python -m nerx.finetune.corpora models/DRCD_dev.json models/DRCD_test.json -o models/zh-drcd.txt
	head -n 9936 models/zh-drcd.txt >models/zh-drcd-traditional.txt
	$(BIN)/python -m nerx.finetune.corpora models/cmrc2018_trial.json -o models/zh-more.txt
	tail -n +9937 models/zh-drcd.txt | $(BIN)/python -m opencc --config t2s >>models/zh-more.txt
	$(BIN)/nerx finetune nerx-zh-fast --teacher models/zh-bundle $(TRAIN_ZH) \
	  --text models/zh-text.txt --text models/zh-text-traditional.txt \
	  --text models/zh-drcd-traditional.txt --text models/zh-more.txt -o models/zh-fast
	$(BIN)/nerx export ./models/zh-fast --precision int8 --max-length 256 --name zh-fast -o models/zh-fast-bundle \
	  --source '$(ENCODER) (vocabulary pruned to characters, cut to 2 layers)' --license MIT \
	  --card $(call card,zh-fast,Chinese word segmentation in both scripts) \
	  --verify models/zh-dev.txt --calibration $(GSD)/train.txt

clean:
	rm -rf .venv .venv-transformers5 build dist *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Stamps: a second `make` installs nothing unless what is asked for has changed.
.venv/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@# What reads paths (editors, mypy, pyright) finds nerx.engine in engine/ through this link.
	@ln -sfn .. .venv/nerx
	@echo $(CURDIR)/.venv > $$(echo .venv/lib/python*/site-packages)/nerx.pth
	@touch $@

.venv/.dev .venv/.bench .venv/.docs: .venv/.base
	$(INSTALL) --editable '.[$(@:.venv/.%=%)]'
	@touch $@

# Laid over .venv, whose packages it sees; pip says that optimum wants transformers 4, as it does.
.venv-transformers5/.done: .venv/.dev constraints-transformers5.txt
	$(PYTHON) -m venv --without-pip .venv-transformers5
	@echo "import site; site.addsitedir('$$(echo $(CURDIR)/.venv/lib/python*/site-packages)')" \
	  > $$(echo .venv-transformers5/lib/python*/site-packages)/base.pth
	$(BIN)/pip --python .venv-transformers5/bin/python install --quiet --disable-pip-version-check \
	  --constraint constraints-transformers5.txt 'transformers>=5'
	@touch $@
