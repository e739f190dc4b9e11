from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightwell.restoring.grids import Box, enlarge, reduce_area


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 40), width=st.integers(1, 40), rows=st.integers(1, 8), columns=st.integers(1, 8))
def test_cells_are_means_of_what_lies_in_them(height: int, width: int, rows: int, columns: int) -> None:
    """Against the picture repeated so often that every cell is a whole number of pixels."""
    rows, columns = min(rows, height), min(columns, width)
    picture = np.random.default_rng(0).random((height, width, 2), np.float32)
    fine = picture.repeat(rows, 0).repeat(columns, 1).astype(np.float64)
    expected = fine.reshape(rows, height, columns, width, 2).mean((1, 3))
    small = reduce_area(lambda r, c: picture[r, c], (height, width), (rows, columns))
    np.testing.assert_allclose(small, expected, atol=1e-6)


def test_wide_pictures_are_read_in_pieces() -> None:
    asked = []

    def load(rows: slice, columns: slice) -> np.ndarray:
        asked.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return np.full((rows.stop - rows.start, columns.stop - columns.start, 3), 0.25, np.float32)

    small = reduce_area(load, (2, 1_000_000), (1, 48))
    np.testing.assert_allclose(small, 0.25, atol=1e-6)
    assert max(asked) <= 1 << 18
    assert sum(asked) == 2_000_000


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    data=st.data(),
)
def test_a_part_is_carried_up_as_it_is_in_the_whole(
    height: int, width: int, rows: int, columns: int, data: st.DataObject
) -> None:
    field = np.random.default_rng(0).random((rows, columns, 3), np.float32)
    whole = enlarge(field, Box(0, height, 0, width), (height, width))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    part = enlarge(field, Box(top, bottom, left, right), (height, width))
    np.testing.assert_allclose(part, whole[top:bottom, left:right], atol=1e-6)
    assert whole.min() >= field.min() - 1e-6
    assert whole.max() <= field.max() + 1e-6


def test_a_ramp_is_carried_up_as_a_ramp() -> None:
    field = (np.arange(4, dtype=np.float32) + 0.5)[None, :, None] / 4
    ramp = enlarge(field, Box(0, 1, 0, 16), (1, 16))[0, :, 0]
    np.testing.assert_allclose(ramp[2:14], (np.arange(2, 14) + 0.5) / 16, atol=1e-6)


@pytest.mark.parametrize("model", ["lightwell-s", "darkir-s"])
def test_a_picture_does_not_depend_on_the_threads_of_numpys_blas(model: str) -> None:
    """Its sums differ with them in the last bit, which once was a level between the service and the command."""
    code = f"""
import hashlib
import numpy as np
from lightwell import Restorer
restorer = Restorer({model!r}, threads=1, tile=256)
low = np.random.default_rng(0).random((300, 450, 3), np.float32) / 8
print(hashlib.sha256(restorer(low).tobytes()).hexdigest())
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OPENBLAS_NUM_THREADS": str(threads)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for threads in (1, 2, 3)
    }
    assert len(found) == 1
