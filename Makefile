# The commands of a developer and of CI; every one sets itself up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MINIMUM := .venv-minimum
FIXTURES := fixtures/resnet_classifier

# Each process gets a stretch of the tests: what a module sets up is then set up once. One more than
# there are cores, because a third of the time of two was spent waiting, for containers above all.
PARALLEL := -n $(shell expr $$(nproc) + 1) --dist worksteal
# They depend on the kernel, on what is in images or on our own code, not on a library's version.
NO_LIBRARY := images deploy integrations batch/test_memory.py batch/test_process_tree.py \
    platforms/test_containers.py \
    sandbox/test_layers.py sandbox/test_leftovers.py sandbox/test_lending.py \
    sandbox/test_lockdown.py sandbox/test_lookout.py sandbox/test_seccomp.py \
    sandbox/test_spares.py sandbox/test_starvation.py sandbox/test_syscalls.py \
    sandbox/test_walls.py service/lti/test_outbox_simulation.py test_accuracy.py \
    test_architecture.py test_footprint.py
# They grade or start much that calls no more of a library than the tests that are left.
SAME_CALLS := authoring/test_adequacy.py authoring/test_calibration.py \
    batch/test_batch_command.py batch/test_job_ends.py batch/test_pool.py \
    diagnosis/test_diagnosis.py platforms/test_run.py report/test_html_browser.py \
    sandbox/test_forking.py service/lti/test_kills.py service/lti/test_staff_browser.py \
    service/lti/test_student_browser.py service/test_fairness.py service/test_judging.py \
    test_judge.py test_try.py xqueue/test_openedx.py
# They call no other library than these two, which may be the very ones that `make test` has used.
JAX_ALONE := diagnosis/test_transplant.py sandbox/test_forgetting.py sandbox/test_warm.py \
    structure/test_sentences.py structure/test_unusual.py
VERSIONS := -c "from importlib.metadata import version as v; print(v('jax'), v('jaxlib'), v('flax'))"
NOT_AGAIN := not hostile and not rejected and not (accepted and resnet) and not runsc \
    and not confined and not killed and not crash_of_ours and not doctor_finds \
    and not test_replay and not errand and not does_to_itself

.PHONY: demo test test-minimum check format images lock clean

demo: $(READY)  ## grade one right, one wrong and one hostile submission
	$(BIN)/grader grade $(FIXTURES)/accepted/plain
	$(BIN)/grader grade $(FIXTURES)/rejected/pool_height_only; test $$? -eq 1
	$(BIN)/grader grade $(FIXTURES)/hostile/read_parent_memory; test $$? -eq 1

test: $(READY)  ## run every test
	$(BIN)/python -m pytest $(PARALLEL)

test-minimum: $(READY) $(MINIMUM)/.ready  ## run what depends on libraries with the oldest versions declared
	newest=$$($(BIN)/python $(VERSIONS)); oldest=$$($(MINIMUM)/bin/python $(VERSIONS)); \
	known="$(patsubst %,--ignore tests/%,$(JAX_ALONE))"; \
	test "$$newest" = "$$oldest" || known=; \
	$(MINIMUM)/bin/python -m pytest $(PARALLEL) \
	    $(patsubst %,--ignore tests/%,$(NO_LIBRARY) $(SAME_CALLS)) $$known -k '$(NOT_AGAIN)'

check: $(READY)  ## formatting, lint, types, and that every test can be collected
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
# `make test` would say so too, an hour later.
	found=$$($(BIN)/python -m pytest --collect-only -qqq) || { echo "$$found"; exit 1; }

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

images: $(READY)  ## build nnx-grader-worker, -grading and -service; needs docker
	PYTHON=$(BIN)/python tools/build_images.sh

lock: $(READY)  ## pin what the images install; UPGRADE=--upgrade takes newer versions
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python tools/lock.py $(UPGRADE)

clean:
	rm -rf $(VENV) $(MINIMUM) .cache .minimum.txt

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
# pip compiles what it copies, not this; workers never write bytecode, so each would compile anew.
	$(BIN)/python -m compileall -q grader reference
	touch $@

# .ci/run makes it while images are built.
$(MINIMUM)/.ready: pyproject.toml tools/minimum.py
	$(PYTHON) tools/minimum.py pyproject.toml > .minimum.txt
	$(PYTHON) -m venv $(MINIMUM)
	$(MINIMUM)/bin/python -m pip install --quiet --constraint .minimum.txt --editable '.[dev]'
	$(MINIMUM)/bin/python tools/minimum.py --verify .minimum.txt
	rm .minimum.txt
	touch $@
