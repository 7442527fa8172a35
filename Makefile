# make install      the environment, in .venv
# make picture      train, imprint and draw 6 tasks x 3 seeds of hand-written digits
# make fashion      the same for 8 tasks x 5 seeds of Fashion-MNIST
# make test         the whole suite; make test-fast leaves the slow tests out
# make lint         what CI says of style: ruff check, ruff format
# make claims       the paper's claims, measured on Fashion-MNIST with 5 seeds; 45 minutes
# make claims-quick    one seed, a few steps, no verdicts; 4 minutes
# make notebook     run the tutorial and store it with its figures; a minute
# make smoke-imagenet   a tiny ImageNet through every stage, killed and resumed on the way; 4 minutes
# make benchmark    how fast the geometry is, against the published algorithm, into benchmarks/results/; 10 minutes
# make benchmark-gpu    the CUDA part of it
# make clean        remove what picture, fashion and claims made

PYTHON ?= python3
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
BIN := .venv/bin
SUPERVISED := supervised_imagenet

.PHONY: install install-dev picture fashion claims claims-quick notebook smoke-imagenet benchmark benchmark-gpu test test-fast lint clean
install: .venv/installed
install-dev: .venv/installed-dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: $(PYTHON) is older than 3.10; choose another with make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[published]'
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[published,fast,dev]'
	@touch $@

picture: export CONFIG = digits
picture: export TASKS = all even odd low high randomlab
picture: export SEEDS = 0 1 2
fashion: export CONFIG = fashion
fashion: export TASKS = all clothing garment footwear shirt shoe 3rd randomlab
fashion: export SEEDS = 0 1 2 3 4

picture fashion: export JOBS := $(JOBS)
picture fashion: install
	PYTHON=$(BIN)/python sh $(SUPERVISED)/01_training/train_imagenet.sh --wait
	PYTHON=$(BIN)/python sh $(SUPERVISED)/02_imprinting/store_predictions.sh --wait
	$(BIN)/python info_geometry/inpca.py $(addprefix $(CONFIG)_,$(sort $(TASKS))) --bootstrap
	$(BIN)/python info_geometry/trajectory.py $(addprefix $(CONFIG)_,$(sort $(TASKS))) --bootstrap
	$(BIN)/python experiments/task_tree/tree.py --name $$CONFIG

claims claims-quick: export JOBS := $(JOBS)
claims: install
	PYTHON=$(BIN)/python sh experiments/claims/run.sh
	$(BIN)/python experiments/claims/verdicts.py

claims-quick: export SEEDS = 5
claims-quick: export FOLDER = claims_quick
claims-quick: export STARTS = 0 2 5
claims-quick: install
	PYTHON=$(BIN)/python sh experiments/claims/run.sh --epochs 1 --warmup_epochs 0.5 --checkpoints 6
	$(BIN)/python experiments/claims/verdicts.py --quick --seeds $(SEEDS) --starts $(STARTS) --predictions predictions/$(FOLDER) \
		--plots plots/$(FOLDER)

notebook: install-dev
	$(BIN)/python docs/make_notebook.py

smoke-imagenet: install
	$(BIN)/python benchmarks/smoke_imagenet.py

benchmark: install-dev
	$(BIN)/python benchmarks/report.py

benchmark-gpu: install-dev
	$(BIN)/python benchmarks/report.py --gpu

test: install-dev
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope

test-fast: install-dev
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope -m "not slow"

lint: install-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

clean:
	for set in digits fashion; do \
		rm -rf checkpoints/$${set}_* predictions/$${set}_* predictions/embedding/$$set.npz plots/$$set; \
	done
	rm -rf checkpoints/claims* predictions/claims* plots/claims*
