"""Set JAX up alike for oracle and workers, through environment variables alone.

The persistent compile cache keys on these settings, so both sides must have the same ones.
"""

from collections.abc import Mapping
from pathlib import Path

from grader.environment import fingerprint

# Measured on this project's exercise, 8 shapes, CPU seconds to compile: 8.6 with XLA's defaults,
# 4.4 without its optimiser, 2.5 without fusion emitters and costly LLVM passes as well. The arrays
# are tiny: a call costs the same, 0.025 s of dispatch. One thread: reports repeat bit for bit.
# Without the concurrent scheduler, and asynchronous dispatch in workers, programs run in the thread
# that calls them: a fork of a process that has compiled them has no other. Bits stay the same (6
# right ways of writing the exercise, jitted ones among them, 60 cases each).
_XLA_FLAGS = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_multi_thread_eigen=false",
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
)
_NEVER = "1e9"
_OF_LIBRARIES = ("JAX_", "FLAX_", "XLA_")
"""How the names of the variables begin by which JAX and Flax are configured."""


def compile_cache(folder: Path) -> Path:
    """Return the compile cache of this machine and these library versions."""
    return folder / "compile" / fingerprint()


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that changes no number, to be added to.

    A worker inherits nothing, so a caller's JAX_DEFAULT_PRNG_IMPL would give the reference other
    weights than every submission, and what it answered would be kept.
    """
    return {
        name: value for name, value in environment.items() if not name.startswith(_OF_LIBRARIES)
    }


def variables(cache: Path | None, *, writable: bool) -> dict[str, str]:
    """Return the environment variables that configure JAX.

    Args:
        cache: folder of compiled programs; None for none.
        writable: whether the process fills the cache, or only reads it.
    """
    settings = {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": " ".join(_XLA_FLAGS),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        # Source locations cost time in every compilation and would name files of ours.
        "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0",
    }
    if cache is None:
        return settings
    return settings | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0" if writable else _NEVER,
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        # Else the key of an entry would contain the cache's own path.
        "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
    }
