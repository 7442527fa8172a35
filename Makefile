# make install      the environment, in .venv
# make picture      train, imprint and draw 6 tasks x 3 seeds of hand-written digits
# make fashion      the same for 8 tasks x 5 seeds of Fashion-MNIST
# make test         the whole suite; make test-fast leaves the slow tests out
# make lint         what CI says of style: ruff check, ruff format
# make claims       the paper's claims, measured on Fashion-MNIST with 5 seeds; 35 minutes
# make claims-quick    one seed, a few steps, no verdicts; 3 minutes
# make subspaces    lines, curves and simplexes of networks, measured on Fashion-MNIST with 5 seeds; 48 minutes
# make subspaces-quick  two seeds, a few steps, no verdicts; 2 minutes
# make symmetries   stitching and alignment of networks, measured on Fashion-MNIST with 3 pairs; 55 minutes
# make symmetries-quick  one pair, on digits, no verdicts; 2 minutes
# make information  information in the weights, measured on Fashion-MNIST with 3 seeds; half an hour
# make information-quick  one seed, on digits, no verdicts; a minute
# make periods      critical periods, measured on Fashion-MNIST with 4 seeds; 25 minutes
# make periods-quick    three seeds, on digits, no verdicts; a minute
# make tasks        tasks as points, and which network to start from, on Fashion-MNIST with 3 seeds; half an hour
# make tasks-quick  one seed, on digits, no verdicts; two minutes
# make manifold     360 networks of 5 kinds, corners, widths, Gaussian inputs, with 3 seeds; an hour and a half
# make manifold-quick   two seeds, on digits, no verdicts; two minutes
# make lab          open the tutorial in a browser, to step through it
# make notebook     run the tutorial and store it with its figures; a minute
# make smoke-imagenet   a tiny ImageNet through every stage, killed and resumed on the way; 4 minutes
# make benchmark    how fast the geometry is, against the published algorithm, into benchmarks/results/; 5 minutes
# make benchmark-gpu    the CUDA part of it; 10 minutes
# make clean        remove what picture, fashion, claims, subspaces, symmetries, information, periods, tasks and manifold made

PYTHON ?= python3
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# An environment that is active and in which this was installed is used as it is; else there is one in .venv
ACTIVE := $(or $(VIRTUAL_ENV),$(CONDA_PREFIX))
IS_HERE = import os, info_geometry.files as files; print("yes" * (files.ROOT.samefile(os.getcwd())))
HAS = $(shell $(1)/bin/python -Ic '$(IS_HERE)' 2>/dev/null)
THEIRS := $(if $(ACTIVE),$(if $(filter-out $(abspath .venv),$(abspath $(ACTIVE))),$(call HAS,$(ACTIVE))))
BIN := $(if $(THEIRS),$(ACTIVE)/bin,.venv/bin)
PIP = $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: install install-dev picture fashion claims claims-quick subspaces subspaces-quick symmetries symmetries-quick information information-quick periods periods-quick tasks tasks-quick manifold manifold-quick lab notebook smoke-imagenet benchmark benchmark-gpu test test-fast lint clean
install: $(if $(THEIRS),,.venv/installed)
install-dev: $(if $(THEIRS),install-theirs,.venv/installed-dev)

.PHONY: install-theirs
install-theirs:
	@$(PIP) -q -e '.[train,published,dev]'

# complete, unlike bin/python, which is there before pip is
.venv/bin/activate:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "error: there is no $(PYTHON) here; name another with make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: $(PYTHON) is older than 3.10; choose another with make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "error: $(PYTHON) cannot make environments: apt-get install python3-venv (Debian, Ubuntu), or choose" \
		"another with make PYTHON=... (or conda: docs/recipes.md)"; exit 1; }
	$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/installed: .venv/bin/activate pyproject.toml
	$(PIP) -e '.[train,published]'
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) -e '.[train,published,dev]'
	@touch $@

DIGITS = all even high low odd randomlab
FASHION = 3rd all clothing footwear garment randomlab shirt shoe
picture: SET = digits
picture: TASKS = $(DIGITS)
fashion: SET = fashion
fashion: TASKS = $(FASHION)

picture fashion: install
	@$(BIN)/python -m learning.sweep supervised_imagenet/sweeps/$(SET).yaml --jobs $(JOBS)
	@$(BIN)/python info_geometry/inpca.py $(addprefix $(SET)_,$(TASKS)) --bootstrap
	@$(BIN)/python info_geometry/trajectory.py $(addprefix $(SET)_,$(TASKS)) --bootstrap
	@$(BIN)/python experiments/task_tree/tree.py --name $(SET)
	@echo "open plots/$(SET)/inpca.html"

CLAIMS = $(BIN)/python -m learning.sweep experiments/claims/runs.yaml --jobs $(JOBS)
claims: install
	@$(CLAIMS) --checkpoints-folder checkpoints/claims --predictions predictions/claims
	@$(BIN)/python experiments/claims/verdicts.py
	@echo "open plots/claims.md"

QUICK = claims_quick
claims-quick: install
	@$(CLAIMS) --checkpoints-folder checkpoints/$(QUICK) --predictions predictions/$(QUICK) --seeds 10 \
		--set epochs=1 warmup_epochs=0.5 checkpoints=6 checkpoint=0,2,5
	@$(BIN)/python experiments/claims/verdicts.py --quick --seeds 10 --starts 0 2 5 --predictions predictions/$(QUICK) \
		--plots plots/$(QUICK)
	@echo "open plots/$(QUICK)/claims.md"

# of single networks, what needs all seeds: $(call ALL_SEEDS,folder,seeds)
ALL_SEEDS = for average in soup between; do $(BIN)/python -m experiments.subspaces.02_sampling.sample_subspace \
	fashion_all_point_ln0 fashion_all_point_ln0.4 --seed $(2) --average $$average \
	--checkpoints-folder checkpoints/$(1) --predictions predictions/$(1) || exit; done
SUBSPACES = $(BIN)/python -m learning.sweep experiments/subspaces/runs.yaml --jobs $(JOBS)
subspaces: install
	@$(SUBSPACES) --checkpoints-folder checkpoints/subspaces --predictions predictions/subspaces
	@$(call ALL_SEEDS,subspaces,10 11 12 13 14)
	@$(BIN)/python -m experiments.subspaces.measure
	@echo "open plots/subspaces/claims.md"

FEW = subspaces_quick
subspaces-quick: install
	@$(SUBSPACES) --checkpoints-folder checkpoints/$(FEW) --predictions predictions/$(FEW) --seeds 10 11 \
		--set epochs=20 warmup_epochs=0.5 training_images=500 validation_images=200 recalibration_images=200 \
		evaluation_images=1000
	@$(call ALL_SEEDS,$(FEW),10 11)
	@$(BIN)/python -m experiments.subspaces.measure --quick --seeds 10 11 --predictions predictions/$(FEW) \
		--checkpoints checkpoints/$(FEW) --plots plots/$(FEW)
	@echo "open plots/$(FEW)/claims.md"

# lines between networks: $(call LINES,folder,data set,seeds)
WAYS = "--matching none" "--matching weights" "--matching activations" "--correction none" "--correction repair"
LINES = for way in $(WAYS); do $(BIN)/python -m experiments.symmetries.02_predicting.store_lines \
	$(foreach width,16 24 32 48 64,$(2)_all_width$(width)) $(2)_all_plain $(2)_all_resnet digits_all_cct --seed $(3) $$way \
	--checkpoints-folder checkpoints/$(1) --predictions predictions/$(1) || exit; done
SYMMETRIES = experiments/symmetries/runs.yaml
symmetries: install
	@$(BIN)/python -m learning.sweep $(SYMMETRIES) --jobs $(JOBS) \
		--checkpoints-folder checkpoints/symmetries --predictions predictions/symmetries
	@$(call LINES,symmetries,fashion,10 12 14)
	@$(BIN)/python -m experiments.symmetries.measure
	@echo "open plots/symmetries/claims.md"

# the same runs of one pair, on digits
ONE = symmetries_quick
symmetries-quick: install
	@mkdir -p checkpoints/$(ONE)
	@sed -e 's/fashion/digits/' -e 's/resolution: 14, evaluation_resolution: 14, //' $(SYMMETRIES) > checkpoints/$(ONE)/runs.yaml
	@$(BIN)/python -m learning.sweep checkpoints/$(ONE)/runs.yaml --jobs $(JOBS) --among 10 11 \
		--checkpoints-folder checkpoints/$(ONE) --predictions predictions/$(ONE)
	@$(call LINES,$(ONE),digits,10)
	@$(BIN)/python -m experiments.symmetries.measure --quick --dataset digits --seeds 10 \
		--predictions predictions/$(ONE) --checkpoints checkpoints/$(ONE) --plots plots/$(ONE)
	@echo "open plots/$(ONE)/claims.md"

INFORMATION = $(BIN)/python -m learning.sweep experiments/weight_information/$(1).yaml --jobs $(JOBS) \
	--checkpoints-folder checkpoints/$(2) --predictions predictions/$(2)
information: install
	@$(call INFORMATION,runs,$@)
	@$(BIN)/python -m experiments.weight_information.measure
	@echo "open plots/$@/claims.md"

information-quick: install
	@$(call INFORMATION,quick,information_quick)
	@$(BIN)/python -m experiments.weight_information.measure --quick --seeds 10 --predictions predictions/information_quick \
		--checkpoints checkpoints/information_quick --plots plots/information_quick
	@echo "open plots/information_quick/claims.md"

PERIODS = $(BIN)/python -m learning.sweep experiments/critical_periods/$(1).yaml --jobs $(JOBS) \
	--checkpoints-folder checkpoints/$(2) --predictions predictions/$(2)
periods: install
	@$(call PERIODS,runs,$@)
	@$(BIN)/python -m experiments.critical_periods.measure
	@echo "open plots/$@/claims.md"

periods-quick: install
	@$(call PERIODS,quick,periods_quick)
	@$(BIN)/python -m experiments.critical_periods.measure --quick --seeds 10 11 12 --predictions predictions/periods_quick \
		--checkpoints checkpoints/periods_quick --plots plots/periods_quick
	@echo "open plots/periods_quick/claims.md"

TASKS = $(BIN)/python -m learning.sweep experiments/task_distances/$(1).yaml --jobs $(JOBS) \
	--checkpoints-folder checkpoints/$(2) --predictions predictions/$(2)
tasks: install
	@$(call TASKS,vectors,$@)
	@$(call TASKS,reaching,$@)
	@$(call TASKS,choosing,$@)
	@$(BIN)/python -m experiments.task_distances.measure
	@echo "open plots/$@/claims.md"

tasks-quick: install
	@$(call TASKS,vectors_quick,tasks_quick)
	@$(call TASKS,reaching_quick,tasks_quick)
	@$(call TASKS,choosing_quick,tasks_quick)
	@$(BIN)/python -m experiments.task_distances.measure --quick --seeds 10 --predictions predictions/tasks_quick \
		--checkpoints checkpoints/tasks_quick --plots plots/tasks_quick
	@echo "open plots/tasks_quick/claims.md"

MANIFOLD = $(BIN)/python -m learning.sweep experiments/manifold/$(1).yaml --jobs $(JOBS) \
	--checkpoints-folder checkpoints/$(2) --predictions predictions/$(2)
manifold: install
	@$(call MANIFOLD,runs,$@)
	@$(BIN)/python -m experiments.manifold.measure
	@echo "open plots/$@/claims.md and plots/$@/inpca.html"

manifold-quick: install
	@$(call MANIFOLD,quick,manifold_quick)
	@$(BIN)/python -m experiments.manifold.measure --quick --seeds 10 11 --predictions predictions/manifold_quick \
		--checkpoints checkpoints/manifold_quick --plots plots/manifold_quick
	@echo "open plots/manifold_quick/claims.md and plots/manifold_quick/inpca.html"

lab: install
	@$(PIP) -q -e '.[notebook]'
	$(BIN)/python -m jupyterlab picture_of_tasks_tutorial.ipynb

notebook: install-dev
	$(BIN)/python docs/make_notebook.py

smoke-imagenet: install
	$(BIN)/python benchmarks/smoke_imagenet.py

benchmark: install-dev
	$(BIN)/python benchmarks/report.py

benchmark-gpu: install-dev
	$(BIN)/python benchmarks/report.py --gpu

test: install-dev
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

test-fast: install-dev
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow"

lint: install-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

MADE = $(addprefix digits_,$(DIGITS)) $(addprefix fashion_,$(FASHION)) claims claims_quick \
	subspaces subspaces_quick symmetries symmetries_quick information information_quick periods periods_quick tasks tasks_quick manifold manifold_quick
clean:
	rm -rf $(addprefix checkpoints/,$(MADE)) $(addprefix predictions/,$(MADE))
	rm -rf $(foreach set,digits fashion,predictions/embedding/$(set).npz plots/$(set)) plots/claims plots/claims.md plots/claims_quick \
		plots/subspaces plots/subspaces_quick plots/symmetries plots/symmetries_quick plots/information plots/information_quick \
		plots/periods plots/periods_quick plots/tasks plots/tasks_quick plots/manifold plots/manifold_quick
