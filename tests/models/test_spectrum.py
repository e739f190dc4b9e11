from __future__ import annotations

import pytest
import torch

from lightwell.models.spectrum import irfft2_by_matrices, rfft2_by_matrices


@pytest.mark.parametrize("size", [(8, 12), (7, 10), (6, 9), (5, 5), (1, 1), (1, 6), (4, 1)])
def test_matrices_agree_with_the_fft(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.fft.rfft2(x)

    real, imag = rfft2_by_matrices(x)

    torch.testing.assert_close(real, expected.real, atol=1e-12, rtol=0)
    torch.testing.assert_close(imag, expected.imag, atol=1e-12, rtol=0)
    torch.testing.assert_close(irfft2_by_matrices(real, imag, size[1]), x, atol=1e-12, rtol=0)


def test_the_last_bin_of_an_even_width_is_not_counted_twice() -> None:
    # The wave + - + - holds nothing but that bin.
    wave = torch.tensor([[1.0, -1.0, 1.0, -1.0]])

    real, imag = rfft2_by_matrices(wave)

    torch.testing.assert_close(real, torch.tensor([[0.0, 0.0, 4.0]]))
    torch.testing.assert_close(irfft2_by_matrices(real, imag, 4), wave)


def test_long_waves_stay_exact_in_float32() -> None:
    # Angles of large products lose their digits unless the product is reduced as an integer.
    x = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))

    real, _ = rfft2_by_matrices(x)

    torch.testing.assert_close(real, torch.fft.rfft2(x.double()).real.float(), atol=2e-3, rtol=0)
