from __future__ import annotations

import pytest
import torch

from lightwell.models.spectrum import Transform


@pytest.mark.parametrize(
    ("size", "fold"),
    [
        *(((8, 12), 1), ((7, 10), 1), ((6, 9), 1), ((5, 5), 1), ((1, 1), 1), ((1, 6), 1)),
        *(((24, 10), 8), ((40, 7), 8), ((12, 9), 4), ((6, 4), 2), ((8, 3), 8)),
    ],
)
def test_matrices_agree_with_the_fft(size: tuple[int, int], fold: int) -> None:
    height = size[0]
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.fft.rfft2(x)
    # Row split * p + q of a split transform holds the frequency p + q * height / split; a fold below 4 splits nothing.
    split = fold if fold >= 4 else 1
    frequency = [p + q * height // split for p in range(height // split) for q in range(split)]

    transform = Transform(x, fold)
    spectrum = transform.forward(x)

    real, imag = spectrum.permute(2, 0, 4, 1, 3)
    torch.testing.assert_close(real, expected.real[:, :, frequency], atol=1e-11, rtol=0)
    torch.testing.assert_close(imag, expected.imag[:, :, frequency], atol=1e-11, rtol=0)
    torch.testing.assert_close(transform.inverse(spectrum), x, atol=1e-11, rtol=0)


def test_the_last_bin_of_an_even_width_is_not_counted_twice() -> None:
    # The wave + - + - holds nothing but that bin.
    wave = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 1, 1, 4)

    transform = Transform(wave)
    spectrum = transform.forward(wave)

    assert spectrum[:, :, 0].flatten().tolist() == pytest.approx([0, 0, 4], abs=1e-5)
    torch.testing.assert_close(transform.inverse(spectrum), wave)


def test_long_waves_stay_exact_in_float32() -> None:
    # Angles of large products lose their digits unless the product is reduced as an integer.
    x = torch.randn(1, 1, 1, 2000, generator=torch.Generator().manual_seed(0))

    real = Transform(x).forward(x)[:, :, 0].permute(0, 3, 1, 2)

    torch.testing.assert_close(real, torch.fft.rfft2(x.double()).real.float(), atol=2e-3, rtol=0)
