"""A compiled program is kept without what it was compiled from."""

import json
import subprocess
import sys

FORGETS = """
import json, os, sys
import jax, numpy
from grader.sandbox.worker.forgetting import forget_modules

MODULES = "/jax/core/compile/jaxpr_to_mlir_module_duration"
lowered = []

def seen(event, time_s, **facts):
    if event == MODULES:
        lowered.append(facts.get("fun_name"))

def resident():
    with open("/proc/self/statm") as sizes:
        return int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

def call(size):
    given = numpy.arange(size, dtype=numpy.float32)
    for one in (given, jax.numpy.asarray(given)):
        yield numpy.asarray(jax.numpy.asarray(one) + 1).tolist()
        yield numpy.asarray(jax.nn.relu(one)).tolist()

def call_all():
    return [answer for size in range(1, 61) for answer in call(size)]

jax.monitoring.register_scalar_listener(seen)
first, compiled, before = call_all(), len(lowered), resident()
forget_modules()
after = resident()
del lowered[:]
print(json.dumps([compiled, before - after, call_all() == first, lowered]))
"""


def test_modules_are_forgotten_and_no_program_is_lowered_again() -> None:
    command = [sys.executable, "-c", FORGETS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    compiled, freed_mib, same, again = json.loads(done.stdout)
    assert compiled > 120
    assert freed_mib > compiled / 2
    assert same and again == []
