from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightwell.data.views import DRAWS, PictureStore, View


def numbered(height: int, width: int, offset: int = 0) -> Tensor:
    """A picture whose two channels are the row and the column of each pixel."""
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8).expand(height, width)
    return torch.stack((rows + offset, columns + offset), 2)


def draws(**given: float) -> Tensor:
    """One picture's draws: from the top left corner, not flipped."""
    names = ("zoom", "top", "left", "phase_y", "phase_x", "mirror", "invert", "turn")
    values = {"mirror": 0.9, "invert": 0.9, "turn": 0.9} | given
    return torch.tensor([[values.get(name, 0.0) for name in names]])


def cut(view: View, **given: float) -> Tensor:
    store = PictureStore([numbered(9, 9, 100), numbered(12, 20)])
    return (store.cut(torch.tensor([1]), view, draws(**given)) * 255).round()


def test_a_crop_is_taken_where_it_is_drawn() -> None:
    rows, columns = cut(View((4, 6), 1), top=0.999, left=0.0)[0]
    assert rows[:, 0].tolist() == [8, 9, 10, 11]
    assert columns[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert cut(View((4, 6), 1), top=0.0, left=0.999)[0, 1, 0].tolist() == [14, 15, 16, 17, 18, 19]


def test_a_smaller_picture_is_enlarged_in_its_shape() -> None:
    rows, columns = cut(View((24, 24), 1))[0]  # of 12 x 20 the 12 x 12 on the left
    assert rows[:, 0].tolist() == [number // 2 for number in range(24)]
    assert columns[0].tolist() == [number // 2 for number in range(24)]


def test_flips_and_turns() -> None:
    crop = cut(View((4, 4), 1))
    assert torch.equal(cut(View((4, 4), 1), mirror=0.1), crop.flip(3))
    assert torch.equal(cut(View((4, 4), 1), invert=0.1, turn=0.1), crop)
    free = View((4, 4), 1, upright=False)
    assert torch.equal(cut(free, invert=0.1), crop.flip(2))
    assert torch.equal(cut(free, turn=0.1), crop.mT)
    assert cut(View((4, 6), 1, upright=False), turn=0.1).shape == (1, 2, 4, 6)


def test_nearest_picks_pixels_and_area_averages() -> None:
    nearest = cut(View((6, 10), 1, zoom=(1.0, 1.0), sampling="nearest"), phase_y=0.6)[0]
    assert nearest[0, :, 0].tolist() == [1, 3, 5, 7, 9, 11]
    assert nearest[1, 0].tolist() == list(range(0, 20, 2))
    store = PictureStore([numbered(12, 20)])
    area = store.cut(torch.tensor([0]), View((6, 10), 1, zoom=(1.0, 1.0)), draws()) * 255
    torch.testing.assert_close(area[0, 0, :, 0], torch.tensor([0.5, 2.5, 4.5, 6.5, 8.5, 10.5]))


def test_area_is_torchs_area() -> None:
    picture = torch.randint(0, 256, (23, 31, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = PictureStore([picture]).cut(torch.tensor([0]), View((9, 7), 1, zoom=(1.0, 1.0)), draws())
    torch.testing.assert_close(ours, F.interpolate(picture.permute(2, 0, 1)[None].float() / 255, (9, 7), mode="area"))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**31), st.sampled_from(["area", "nearest"]), st.booleans(), st.integers(2, 30), st.integers(2, 30)
)
def test_any_cut_comes_from_its_own_picture(seed: int, sampling: str, zoomed: bool, height: int, width: int) -> None:
    store = PictureStore([torch.full((8 + i, 9 + 2 * i, 1), 10 * i, dtype=torch.uint8) for i in range(6)])
    view = View((height, width), 6, (0.3, 1.0) if zoomed else None, sampling, upright=False)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(6, (6,), generator=generator)
    drawn = torch.rand(6, DRAWS, generator=generator)
    # The largest and smallest numbers a generator can give.
    drawn[0], drawn[1] = 1 - 2**-24, 0.0
    parts = store.cut(index, view, drawn)
    assert parts.shape == (6, 1, height, width)
    torch.testing.assert_close(parts * 255, (index * 10.0)[:, None, None, None].expand_as(parts))


def test_a_pair_stays_aligned() -> None:
    picture = torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    store = PictureStore([torch.cat((picture, picture), 2)])
    drawn = torch.rand(16, DRAWS, generator=torch.Generator().manual_seed(1))
    for view in (
        View((16, 16), 16, upright=False),
        View((16, 24), 16, (0.5, 1.0)),
        View((16, 24), 16, (0.5, 1.0), "nearest"),
    ):
        low, target = store.cut(torch.zeros(16, dtype=torch.long), view, drawn).chunk(2, 1)
        assert torch.equal(low, target)
        assert len({tuple(part.flatten().tolist()) for part in low}) == 16


@pytest.mark.parametrize("sampling", ["area", "nearest"])
def test_a_picture_smaller_than_the_view_is_enlarged(sampling: str) -> None:
    store = PictureStore([numbered(2, 3)])
    view = View((4, 6), 1, sampling=sampling)  # type: ignore[arg-type]
    rows = (store.cut(torch.tensor([0]), view, draws()) * 255).round()[0, 0, :, 0]
    assert rows.tolist() == [0, 0, 1, 1]
