"""Facts are read from a source's text, by any number of threads."""

import subprocess
import sys

from grader.structure.static import read_facts


def test_threads_may_read_at_the_same_time() -> None:
    code = """
import gc, threading, time
from grader.structure.static import read_facts
gc.set_threshold(5)
gc.callbacks.append(lambda *told: time.sleep(0))  # so that another thread goes on amid a tree
source = "\\n".join(f"class A{n}:\\n    def f(self): return [[(1, 2)]]" for n in range(40))
failed = []
def read():
    for _ in range(40):
        try:
            assert len(read_facts(source.encode()).classes) == 40
        except BaseException as error:
            failed.append(error)
threads = [threading.Thread(target=read) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed[0]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_class_at_the_top_level_is_what_a_name_means() -> None:
    inside, deeper = "def f():\n    class R: pass\n", "if 1:\n    if 1:\n        class R: pass\n"
    for source in (inside + deeper, deeper + inside):
        facts = read_facts(source.encode())
        assert source.splitlines()[facts.classes["R"] - 1].startswith(8 * " ")
        assert facts.enclosed == {}
