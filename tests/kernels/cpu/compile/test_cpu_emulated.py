"""The forms of the kernels for processors that this one is not, put to the same tests.

They are compiled over ``emulated/immintrin.h``, which writes out every instruction they use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from frameworkctl_kernels.cpu.compile import build

HERE = Path(__file__).parent
TESTS = [
    HERE / "test_cpu_bounds.py",
    *(
        HERE.parent / f"test_cpu_{name}.py"
        for name in (
            "attention",
            "elementwise",
            "experts",
            "linear",
            "quantized",
            "rotary",
            "sampling",
            "special_values",
            "state_space",
        )
    ),
]
CAN_COMPILE = build.processor_flags() >= build.NEEDED and any(shutil.which(c) for c in build.COMPILERS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not CAN_COMPILE, reason="no compiler, or no AVX2")
@pytest.mark.parametrize("level", [0, 1, 2], ids=["avx2 with vnni", "avx512", "avx512 with vnni and bf16"])
def test_forms_for_other_processors(level: int, tmp_path: Path) -> None:
    words = f"{build.find_compiler()[0]} -I{HERE / 'emulated'} -DFC_EMULATE={level}"
    env = {**os.environ, "CXX": words, "FRAMEWORKCTL_CPU_ARCH": "x86-64-v3", "FRAMEWORKCTL_CACHE": str(tmp_path)}
    env = {name: value for name, value in env.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *map(str, TESTS)]
    done = subprocess.run(command, env=env, cwd=HERE.parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout, "the kernels could not be compiled"
