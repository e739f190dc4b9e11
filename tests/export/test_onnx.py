from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from lightwell import zoo
from lightwell.errors import WeightsError
from lightwell.export import cached_graph, is_weights
from lightwell.export.onnx import export_onnx, link_weights
from lightwell.models import create_model, load_weights, save_weights
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.frlie import FRLIE, FRLIEConfig
from lightwell.restoring.restorer import Restorer

SIZES = [(1, 3, 61, 75), (2, 3, 64, 80), (1, 3, 1, 1), (1, 3, 9, 130), (3, 3, 33, 40)]


@pytest.fixture(scope="module")
def net() -> DarkIR:
    torch.manual_seed(0)
    # Two levels: exporting takes time, and the shipped graphs are compared at their full depth below.
    net = DarkIR(DarkIRConfig(width=8, enc_blk_nums=(1, 1), dec_blk_nums=(1, 1))).eval()
    for name, parameter in net.named_parameters():
        if name.endswith(("beta", "gamma")):
            nn.init.normal_(parameter, std=0.3)
        elif ".norm" in name:
            nn.init.normal_(parameter, 1, 0.3)
    return net


@pytest.fixture(scope="module")
def exported(net: DarkIR, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    export_onnx(net, path)
    return path


def assert_same(net: nn.Module, low: torch.Tensor, restored: np.ndarray) -> None:
    with torch.inference_mode():
        expected = net(low).numpy()
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-4 * np.ptp(expected) + 1e-6)


@pytest.mark.parametrize("shape", SIZES)
def test_onnxruntime_agrees_with_torch(net: DarkIR, exported: Path, shape: tuple[int, ...]) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    low = torch.rand(shape, generator=torch.Generator().manual_seed(1))

    (restored,) = session.run(["restored"], {"low": low.numpy()})

    assert_same(net, low, restored)


@pytest.mark.parametrize("shape", SIZES)
def test_openvino_agrees_with_torch(net: DarkIR, exported: Path, shape: tuple[int, ...]) -> None:
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().compile_model(str(exported), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    low = torch.rand(shape, generator=torch.Generator().manual_seed(1))

    assert_same(net, low, model(low.numpy())[0])


def test_the_graph_holds_no_transform_operator_and_no_complex_type(exported: Path) -> None:
    model = onnx.load(exported)

    assert not {"DFT", "STFT"} & {node.op_type for node in model.graph.node}
    assert not any("com.microsoft" in node.domain for node in model.graph.node)
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]


def test_a_gray_network_exports_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = DarkIR(DarkIRConfig(img_channels=1, width=4, enc_blk_nums=(1,), dec_blk_nums=(1,)))
    export_onnx(net, tmp_path / "gray.onnx", channels=1)
    low = torch.rand(1, 1, 11, 6)

    (restored,) = onnxruntime.InferenceSession(tmp_path / "gray.onnx").run(None, {"low": low.numpy()})

    assert net.training
    assert_same(net.eval(), low, restored)


def test_the_graph_says_how_it_is_run(tmp_path: Path) -> None:
    net = DarkIR(DarkIRConfig(img_channels=1, width=4, enc_blk_nums=(1, 1), dec_blk_nums=(1, 1)))
    export_onnx(net, tmp_path / "net.onnx", name="mine", bytes_per_pixel=700)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["lightwell"]) == {
        "version": 1,
        "name": "mine",
        "strategy": "tiles",
        "channels": 1,
        "multiple": 4,
        "bytes_per_pixel": 700,
    }
    assert session.get_inputs()[0].shape == ["batch", 1, "height", "width"]


class Odd(nn.Module):
    """A network whose code looks at the size of what it is given, which a trace does not keep."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (0.5 if x.shape[-1] % 7 == 0 else 2.0)


def test_a_graph_that_does_something_else_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Odd: "):
        export_onnx(Odd(), tmp_path / "odd.onnx")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "float16"])
def frlie(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[FRLIE, Path, Path]:
    """A small FRLIE with running statistics of its own, its graph and its weights, linked."""
    torch.manual_seed(0)
    net = FRLIE(FRLIEConfig(width=8, blocks=1))
    for _ in range(3):
        net(torch.rand(2, 3, 16, 20))
    folder = tmp_path_factory.mktemp("frlie")
    graph, weights = folder / "net.onnx", folder / "net.safetensors"
    save_weights(net, weights, half=request.param)
    shipped = load_weights(weights).eval()
    assert isinstance(shipped, FRLIE)
    export_onnx(shipped, graph)
    link_weights(graph, weights)
    return shipped, graph, weights


@pytest.mark.parametrize("shape", SIZES)
def test_a_linked_frlie_agrees_with_torch(frlie: tuple[FRLIE, Path, Path], shape: tuple[int, ...]) -> None:
    net, graph, _ = frlie
    low = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    (restored,) = onnxruntime.InferenceSession(graph).run(None, {"low": low.numpy()})
    assert_same(net, low, restored)


def test_only_what_a_batch_norm_changed_is_kept_in_the_graph(frlie: tuple[FRLIE, Path, Path]) -> None:
    net, graph, _ = frlie
    initializers = onnx.load(graph, load_external_data=False).graph.initializer
    linked = {tensor.name.removesuffix(".stored") for tensor in initializers if tensor.external_data}
    left = {name.rpartition(".")[0].rpartition(".")[0] for name, _ in net.named_parameters() if name not in linked}
    assert left == {"encoder.conv2", "encoder.conv3", "encoder.conv4", "decoder.up1", "decoder.conv1", "decoder.up2"}


def test_half_the_room_and_hardly_another_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = FRLIE(FRLIEConfig(width=8, blocks=1)).eval()
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_weights(net, whole)
    save_weights(net, half, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    rounded = load_weights(half).eval()
    low = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        assert (rounded(low) - net(low)).abs().max() < 4e-3
    for name, value in rounded.named_parameters():
        expected = net.get_parameter(name)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected, rtol=2**-11, atol=2**-25)  # half a step of float16


def test_linked_weights_are_shipped_once(net: DarkIR, exported: Path, tmp_path: Path) -> None:
    graph, weights = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    graph.write_bytes(exported.read_bytes())
    save_weights(net, weights)

    link_weights(graph, weights)

    shared = sum(4 * parameter.numel() for parameter in net.parameters() if parameter.numel() > 1024)
    assert graph.stat().st_size < exported.stat().st_size - 0.9 * shared
    low = torch.rand(1, 3, 20, 31)
    (restored,) = onnxruntime.InferenceSession(graph).run(None, {"low": low.numpy()})
    assert_same(net, low, restored)


def test_other_weights_are_not_linked(net: DarkIR, exported: Path, tmp_path: Path) -> None:
    graph, weights = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    graph.write_bytes(exported.read_bytes())
    save_weights(DarkIR(net.config), weights)

    with pytest.raises(ValueError, match="is not the one in"):
        link_weights(graph, weights)
    assert graph.read_bytes() == exported.read_bytes()


@pytest.mark.parametrize("name", zoo.networks())
def test_shipped_graphs_and_weights_are_one_network(name: str) -> None:
    path = zoo.networks()[name]
    net = create_model(name, pretrained=True).eval()
    channels = getattr(net, "channels", 3)
    low = torch.rand(1, channels, 37, 50, generator=torch.Generator().manual_seed(3))

    (restored,) = onnxruntime.InferenceSession(path.with_suffix(".onnx")).run(None, {"low": low.numpy()})

    assert_same(net, low, restored)


@pytest.mark.parametrize("card", zoo.cards(), ids=lambda card: card.name)
def test_a_shipped_graph_says_of_itself_what_its_card_says(card: zoo.Card) -> None:
    """So a file and a name are run alike."""
    for graph in card.graphs.values():
        model = onnx.load(graph, load_external_data=False)
        said = zoo.Spec.from_metadata({entry.key: entry.value for entry in model.metadata_props})
        assert any(entry.key == "lightwell" for entry in model.metadata_props)
        spec = zoo.find(graph.name.partition(".")[0]).spec  # of the model that the graph was made for
        if said.strategy == "tiles" and len(spec.roles) > 1:
            continue  # a paper's network behind a light: its file alone runs as published
        for name in ("strategy", "channels", "multiple", "bytes_per_pixel"):
            assert getattr(said, name) == getattr(spec, name), name


@pytest.mark.parametrize("card", zoo.cards(), ids=lambda card: card.name)
def test_cards_count_the_parameters(card: zoo.Card) -> None:
    nets = [load_weights(path) for path in card.weights.values()]
    counted = sum(p.numel() for net in nets for k, p in net.named_parameters() if "side_out" not in k)
    assert counted == card.parameters


def test_a_runs_folder_gets_its_graph_once_and_a_new_one_for_new_weights(tmp_path: Path) -> None:
    run, told = tmp_path / "run", []
    run.mkdir()
    config = DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,))
    save_weights(DarkIR(config), run / "best.safetensors")
    graph = cached_graph(run, told.append)
    assert graph == run / "best.onnx"
    assert str(run / "best.safetensors") in told[0]
    first = graph.read_bytes()
    assert cached_graph(run / "best.safetensors", told.append) == graph
    assert len(told) == 1
    described = onnxruntime.InferenceSession(graph).get_modelmeta().custom_metadata_map["lightwell"]
    assert json.loads(described)["name"] == "run"
    save_weights(DarkIR(config), run / "best.safetensors")
    assert cached_graph(run, told.append) == graph
    assert graph.read_bytes() != first
    picture = np.random.default_rng(0).integers(0, 60, (20, 30, 3), np.uint8)
    restorer = Restorer(run)
    assert restorer.model == "run"
    assert np.array_equal(restorer(picture), Restorer(graph)(picture))


def test_a_name_that_ships_goes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = zoo.cards()[0].name
    Path(name).mkdir()  # as lightwell export makes it
    assert not is_weights(name)
    assert is_weights(f"./{name}")


def test_a_graph_of_another_origin_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTWELL_CACHE", str(tmp_path / "cache"))
    save_weights(DarkIR(DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,))), tmp_path / "net.safetensors")
    (tmp_path / "net.onnx").write_bytes(b"somebody's")
    graph = cached_graph(tmp_path / "net.safetensors")
    assert graph.parent == tmp_path / "cache" / "graphs"
    assert cached_graph(tmp_path / "net.safetensors") == graph
    assert (tmp_path / "net.onnx").read_bytes() == b"somebody's"
