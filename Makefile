# The commands of a developer and of CI; every one sets itself up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FIXTURES := fixtures/resnet_classifier

.PHONY: demo test test-minimum check format images lock clean

demo: $(READY)  ## grade one right, one wrong and one hostile submission
	$(BIN)/grader grade $(FIXTURES)/accepted/plain
	$(BIN)/grader grade $(FIXTURES)/rejected/pool_height_only; test $$? -eq 1
	$(BIN)/grader grade $(FIXTURES)/hostile/read_parent_memory; test $$? -eq 1

test: $(READY)  ## run every test
	$(BIN)/python -m pytest -n auto

test-minimum:  ## run the tests that depend on libraries with the oldest versions that are declared
	$(PYTHON) tools/minimum.py pyproject.toml > .minimum.txt
	$(PYTHON) -m venv .venv-minimum
	.venv-minimum/bin/python -m pip install --quiet --constraint .minimum.txt --editable '.[dev]'
	.venv-minimum/bin/python tools/minimum.py --verify .minimum.txt
	.venv-minimum/bin/python -m pytest -n auto --ignore tests/images \
	    --ignore tests/deploy --ignore tests/platforms/test_containers.py \
	    -k 'not hostile and not rejected and not accuracy and not runsc'
	rm .minimum.txt

check: $(READY)  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

images: $(READY)  ## build nnx-grader-worker, -grading and -service; needs docker
	PYTHON=$(BIN)/python tools/build_images.sh

lock: $(READY)  ## pin what the images install; UPGRADE=--upgrade takes newer versions
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python tools/lock.py $(UPGRADE)

clean:
	rm -rf $(VENV) .venv-minimum .cache .minimum.txt

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
