from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lightwell.errors import WeightsError
from lightwell.export.checkpoints import import_darkir, import_frlie, import_network
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.frlie import FRLIE, FRLIEConfig

CONFIGS = [
    DarkIRConfig(width=4),
    DarkIRConfig(width=4, enc_blk_nums=(1, 0, 2), dec_blk_nums=(0, 2, 1), middle_blk_num_enc=0, dilations=(1, 4)),
    DarkIRConfig(img_channels=1, width=6, enc_blk_nums=(1,), dec_blk_nums=(2,), extra_depth_wise=False),
    DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,), encoder_dilations=(1, 4)),
]


def state_of(config: DarkIRConfig) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return DarkIR(config).state_dict()


@pytest.mark.parametrize("config", CONFIGS)
def test_the_structure_is_read_off_the_checkpoint(config: DarkIRConfig, tmp_path: Path) -> None:
    torch.save({"params": state_of(config)}, tmp_path / "net.pt")

    assert import_darkir(tmp_path / "net.pt").config == config


@pytest.mark.parametrize("wrapper", [None, "params", "model_state_dict", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_public_wrapping_loads(wrapper: str | None, prefix: str, tmp_path: Path) -> None:
    config = CONFIGS[2]
    state = {prefix + key: value for key, value in state_of(config).items()}
    torch.save({wrapper: state, "epoch": 3, "loss": 0.1} if wrapper else state, tmp_path / "net.pt")

    net = import_darkir(tmp_path / "net.pt")

    for key, value in state_of(config).items():
        torch.testing.assert_close(net.state_dict()[key], value, rtol=0, atol=0)


def test_a_public_file_gives_the_public_output(shared: Path) -> None:
    import numpy as np

    folder = shared / "reference" / "darkir"
    net = import_darkir(folder / "net_variant_w12.safetensors", dilations=(2, 3, 5, 7))
    values = np.load(folder / "net_variant_w12_61x75.npz")

    with torch.inference_mode():
        restored = net(torch.from_numpy(values["input"]))

    np.testing.assert_allclose(restored, values["output"], rtol=0, atol=1e-4 * np.ptp(values["output"]))


def test_dilations_must_fit_the_branches(tmp_path: Path) -> None:
    save_file(state_of(CONFIGS[0]), tmp_path / "net.safetensors")

    assert import_darkir(tmp_path / "net.safetensors", dilations=(2, 3, 5)).config.dilations == (2, 3, 5)
    with pytest.raises(WeightsError, match=r"dilations has 2 entries .* has 3"):
        import_darkir(tmp_path / "net.safetensors", dilations=(2, 3))


def test_what_is_missing_unexpected_or_misshapen_is_listed(tmp_path: Path) -> None:
    state = state_of(CONFIGS[0])
    del state["ending.bias"]
    state["adapter.weight"] = torch.zeros(1)
    state["side_out.bias"] = torch.zeros(5)
    save_file(state, tmp_path / "net.safetensors")

    with pytest.raises(WeightsError) as caught:
        import_darkir(tmp_path / "net.safetensors")

    message = str(caught.value)
    assert "1 missing: ending.bias" in message
    assert "1 unexpected: adapter.weight" in message
    assert "1 of another shape: side_out.bias" in message


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("sprung"),))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"params": state_of(CONFIGS[2]), "extra": Trap()}, tmp_path / "net.pt")

    with pytest.raises(WeightsError, match="foreign code"):
        import_darkir(tmp_path / "net.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"just some text\n" * 40])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_files_that_are_no_checkpoints_are_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)

    with pytest.raises(WeightsError, match=f"net{suffix}"):
        import_darkir(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"intro.weight": torch.zeros(4)}, "intro.weight is of shape"),
        ({"intro.weight": torch.zeros(0, 3, 3, 3)}, "intro.weight is of shape"),
        ({"intro.weight": torch.zeros(3_000_000, 1, 1, 1)}, "names a network of"),
        ({"encoders.0.modules_list.50000000.gamma": torch.zeros(1)}, "does not hold|some numbers are missing"),
        ({"encoders.0.modules_list.500000.gamma": torch.zeros(1)}, "some numbers are missing"),
    ],
)
def test_what_a_checkpoint_claims_is_not_built_before_it_is_checked(
    change: dict[str, Tensor], words: str, tmp_path: Path
) -> None:
    save_file({**state_of(CONFIGS[2]), **change}, tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match=words):
        import_network([tmp_path / "net.safetensors"])


def test_other_networks_and_missing_files_are_named(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")

    with pytest.raises(WeightsError, match="not a DarkIR"):
        import_darkir(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no such file"):
        import_darkir(tmp_path / "missing.pt")


@pytest.fixture
def frlie_files(tmp_path: Path) -> tuple[FRLIE, list[Path]]:
    """A FRLIE, and its parameters in the two files of the public code."""
    torch.manual_seed(0)
    net = FRLIE(FRLIEConfig(width=4, blocks=3))
    parts = {name: part.state_dict() for name, part in net.named_children()}
    paths = [tmp_path / "weights_reconstruct.pth", tmp_path / "weights_feature_process.pth"]
    torch.save({name: parts[name] for name in ("encoder", "decoder")}, paths[0])
    torch.save({"feature_processor": parts["feature_processor"]}, paths[1])
    return net, paths


def test_both_files_of_a_frlie_make_one_network(frlie_files: tuple[FRLIE, list[Path]]) -> None:
    expected, paths = frlie_files
    net = import_network(paths)
    assert net.config == expected.config
    for key, value in expected.state_dict().items():
        assert torch.equal(net.state_dict()[key], value), key


def test_half_a_frlie_is_refused(frlie_files: tuple[FRLIE, list[Path]]) -> None:
    for path in frlie_files[1]:
        with pytest.raises(WeightsError, match=rf"{path.name}: half a FRLIE: give both files"):
            import_network([path])


def test_a_public_frlie_file_gives_the_public_output(shared: Path) -> None:
    import numpy as np

    folder = shared / "reference" / "frlie"
    net = import_frlie([folder / "weights_base8.safetensors"]).eval()
    values = np.load(folder / "io_base8.npz")
    with torch.inference_mode():
        restored = net(torch.from_numpy(values["even.input"]))
    np.testing.assert_allclose(restored, values["even.enhanced"], rtol=0, atol=1e-4)
