"""What importing lightwell.keras needs and says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_lightwell_alone_loads_no_keras() -> None:
    result = python("import sys, lightwell; print('keras' in sys.modules)")
    assert result.stdout.strip() == "False", result.stderr


def test_without_keras_one_line_says_what_to_install() -> None:
    result = python("import sys; sys.modules['keras'] = None; import lightwell.keras")
    assert result.stderr.splitlines()[-1] == 'ImportError: lightwell.keras needs Keras: pip install "lightwell[keras]"'


def test_without_its_backend_one_line_says_which() -> None:
    result = python("import sys; sys.modules['tensorflow'] = None; import lightwell.keras", KERAS_BACKEND="tensorflow")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "tensorflow" in last
    assert "KERAS_BACKEND" in last


def test_a_backend_without_an_fft_is_named() -> None:
    pytest.importorskip("openvino")
    code = """
import numpy as np
from lightwell.keras import FreMLP
x = np.random.default_rng(0).random((1, 8, 8, 2), np.float32)
print(FreMLP(transform="matrix")(x).shape)
FreMLP()(x)
"""
    result = python(code, KERAS_BACKEND="openvino")
    assert result.stdout.strip() == "(1, 8, 8, 2)", result.stderr
    assert "openvino backend of Keras has no FFT for transform='fft': choose transform='matrix'" in result.stderr
