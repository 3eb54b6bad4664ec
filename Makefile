# Everything runs in .venv, which `make install` creates from constraints.txt. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: install mini compare study-a test fuzz licences sbom test-slow test-browser test-latex test-trl install-vllm test-vllm test-slurm coverage dist gate gate-result lint docs schema clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d. Type: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,dev,gguf,plots,inspect]'
	touch $(STAMP)

# The larger sister of the bundled backbone, from nothing: hours; killed, it goes on. Then --backbone mini.
mini: $(STAMP)
	$(BIN)/python -m talan_core.backbones.micro.pretrain --name mini --work build/mini
	$(BIN)/python -m talan_core.backbones.micro.pretrain --name mini --work build/mini --export

compare: $(STAMP)
	$(BIN)/talan-eval compare --base lora --treat talan+lora --seeds 7

test: lint
	$(BIN)/pytest -n 2 --dist worksteal

# Ten thousand inputs per reader, other ones each time: an hour.
fuzz: $(STAMP)
	TALAN_EVAL_FUZZ=10000 $(BIN)/pytest -n 2 --dist worksteal tests/fuzz

test-slow: $(STAMP)
	$(BIN)/pytest -m slow

# Lines and branches that the tests run; tests of speed are left out, because tracing slows what they measure.
coverage: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=term --cov-report=html -m "not slow and not browser and not latex and not trl and not vllm and not slurm and not speed and not wheel"

# Twenty seeds of nine arms: hours. Evaluations that are here already, in archives beside it, are taken over.
study-a: $(STAMP)
	for part in results/study_a_part_*.tar.xz; do if [ -f $$part ]; then tar -xf $$part -C results; fi; done
	$(BIN)/talan-eval compare examples/studies/bundled.toml --out results/study_a

# sdist and wheel as a release has them. The version comes from the last tag.
dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build
	TALAN_EVAL_DIST=dist $(BIN)/pytest -m wheel tests/packaging

# Licences of everything that an installation leads to, and its bill of materials (CycloneDX).
licences: $(STAMP)
	@$(BIN)/python benchmarks/dependencies.py licences train

sbom: $(STAMP)
	mkdir -p dist
	$(BIN)/python benchmarks/dependencies.py sbom train > dist/sbom.cdx.json

# The comparison that ships with the project, gated: minutes.
gate: gate-result
	$(BIN)/talan-eval gate results/gate --margin 1.5 --per-cell --junit results/gate/gate.xml

gate-result: $(STAMP)
	$(BIN)/talan-eval compare --base lora --treat talan+lora --seeds 7 --out results/gate

# Needs Chromium (apt-get install chromium) and npm.
test-browser: $(STAMP)
	npm install --silent --prefix build/axe axe-core@4
	$(BIN)/pytest -m browser

# Needs LaTeX: apt-get install latexmk texlive-latex-recommended texlive-latex-extra
test-latex: $(STAMP)
	$(BIN)/pytest -m latex

# TRL in an environment of its own: this project does not need it.
test-trl:
	$(PYTHON) -m venv build/trl
	build/trl/bin/pip install --quiet --constraint constraints.txt torch
	build/trl/bin/pip install --quiet --constraint constraints.txt --editable '.[train]' pytest trl==1.16.0
	build/trl/bin/python -m pytest -m trl tests/talan_core/integrations

# vLLM in an environment of its own, from a complete list and without a resolver: it takes other versions of transformers and
# fastapi than constraints.txt. torch has to be a build for CPUs; where the index offers none, install it from PyTorch's first.
VLLM := build/vllm
# Named one by one: others need what that environment does not have, and cannot even be collected there.
VLLM_TESTS := tests/talan_core/integrations/vllm tests/talan_eval/generation/test_vllm_backend.py \
	tests/talan_eval/pipeline/test_compare_with_vllm.py

install-vllm: $(VLLM)/installed

$(VLLM)/installed: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --no-deps --requirement constraints-vllm.txt
	$(VLLM)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(VLLM)/installed

test-vllm: $(VLLM)/installed
	$(VLLM)/bin/python -m pytest -m vllm $(VLLM_TESTS)

# Needs SLURM: apt-get install slurmctld slurmd slurm-client munge
test-slurm: $(STAMP)
	$(BIN)/pytest -m slurm tests/talan_eval/execution

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,dev,gguf,plots,inspect,docs]'
	$(BIN)/mkdocs build --strict

# The published JSON schemas of result.json and of experiment files; tests compare them with the code.
schema: $(STAMP)
	$(BIN)/python -m talan_eval.result.schema > docs/schema/result-2.json
	$(BIN)/python -m talan_eval.internals.findings > docs/schema/internals-1.json
	$(BIN)/python -m talan_eval.requests.experiment_file compare > docs/schema/experiment-1.json
	$(BIN)/python -m talan_eval.requests.experiment_file compare-logs > docs/schema/experiment-logs-1.json
	$(BIN)/python -m talan_eval.requests.experiment_file evaluate > docs/schema/experiment-evaluate-1.json
	$(BIN)/python -m talan_eval.result.arm_scores > docs/schema/scores-1.json

clean:
	rm -rf $(VENV) dist build site htmlcov .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
