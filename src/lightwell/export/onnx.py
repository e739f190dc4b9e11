"""Networks as ONNX graphs.

The graph takes ``low``, float32 ``(N, C, H, W)`` in [0, 1] with any N, H and W, and gives ``restored`` of the same
shape, not clamped. One with the front ``normalised`` takes ``level`` too, float32 ``(1,)``: 0 for whole pictures, whose
level is measured then, and the mean level of the whole where it is given a part. It holds no DFT operator and no
complex type. Its metadata say how to run it: JSON under ``lightwell`` (:func:`spec`).
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import logging
import math
import struct
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from lightwell import zoo
from lightwell.errors import WeightsError
from lightwell.files import whole_file
from lightwell.models.front import LIGHT, Lit, bare
from lightwell.models.registry import load_weights
from lightwell.zoo import Card

__all__ = ["export_lit", "export_model", "export_onnx", "link_weights", "spec"]

OPSET = 20
_TRIED = ((1, 61, 75), (2, 33, 40))  # N, H and W other than those that are traced
_TOLERANCE = 1e-4
_BYTES_PER_PIXEL_OF_A_MILLION = 2048
_BESIDE = 0.25  # what is given beside the picture when a graph is made and tried
_LARGEST_FOLDED = 1024  # values of constants that are stored rather than computed


def spec(net: nn.Module, name: str, bytes_per_pixel: int | None = None) -> dict[str, Any]:
    """What a program must know to run a network's graph.

    Returns:
        ``version`` 1; ``name``; ``strategy``, how pictures larger than memory go through it; ``channels`` of the
        picture; heights and widths that are a ``multiple`` cost nothing to pad; ``bytes_per_pixel``, what a run takes
        at most beside the picture, by default a guess on the safe side from the number of parameters.
    """
    parameters = sum(parameter.numel() for parameter in net.parameters())
    guess = _BYTES_PER_PIXEL_OF_A_MILLION * max(math.sqrt(parameters / 1e6), 0.25)
    return {
        "version": 1,
        "name": name,
        "strategy": getattr(net, "strategy", "tiles"),
        "channels": int(getattr(getattr(net, "config", None), "img_channels", None) or _channels(net)),
        "multiple": int(getattr(net, "multiple", 1)),
        "bytes_per_pixel": int(guess) if bytes_per_pixel is None else bytes_per_pixel,
    }


def export_onnx(
    net: nn.Module,
    path: Path,
    channels: int | None = None,
    *,
    name: str | None = None,
    bytes_per_pixel: int | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Writes a network as one self-contained ONNX file.

    The graph is traced, which takes seconds, and tried at other sizes than the traced one. Where it gives something
    else than the network there, because the network's code looks at sizes in a way that a trace does not keep, it is
    made by ``torch.export`` instead, which takes a minute or two.

    Args:
        net: takes and returns ``(N, C, H, W)``; its mode is left as it was.
        path: where the file goes; it appears whole or not at all.
        channels: C; by default what the network says.
        name: for the metadata; by default the file's.
        bytes_per_pixel: as of :func:`spec`.
        metadata: further entries.

    Raises:
        WeightsError: when the network cannot be made into a graph that does the same.
        PictureError: when the folder or the disk refuses.
    """
    channels = channels or _channels(net)
    was_training = net.training
    net.eval()
    try:
        with _quiet():
            model = _traced(net, channels)
            if model is None or not _agrees(model, net, channels):
                model = _exported(net, channels)
                if not _agrees(model, net, channels):
                    raise WeightsError(f"{type(net).__name__}: its ONNX graph does not give what the network gives")
    finally:
        net.train(was_training)
    described = spec(net, name or path.stem, bytes_per_pixel)
    for key, value in {"lightwell": json.dumps(described), **(metadata or {})}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    _write(model, path)


def export_model(card: Card, folder: Path) -> list[Path]:
    """Writes all graphs of a model of several networks, each self-contained, and the card that tells how they go.

    `lightwell.Restorer` takes the card's path.

    Args:
        card: of the model.
        folder: an existing folder; files in it are replaced.

    Returns:
        The files, the card last.

    Raises:
        WeightsError: when a network cannot be made into a graph that does the same.
        FileError: when the folder or the disk refuses.
    """
    graphs = {role: folder / path.name for role, path in card.graphs.items()}
    for role, graph in graphs.items():
        export_onnx(load_weights(card.weights[role]), graph, bytes_per_pixel=card.spec.bytes_per_pixel)
    digests = {graph.name: hashlib.sha256(graph.read_bytes()).hexdigest() for graph in graphs.values()}
    described = folder / f"{card.name}.json"
    with whole_file(described) as file:
        file.write(json.dumps({**card.content, "sha256": digests}, indent=1, ensure_ascii=False).encode())
    return [*graphs.values(), described]


def _beside(net: nn.Module) -> tuple[str, ...]:
    """Numbers, ``(1,)`` each, that the network takes after the picture."""
    return tuple(getattr(net, "beside", ()))


def _inputs(net: nn.Module) -> list[str]:
    return ["low", *_beside(net)]


def _example(net: nn.Module, channels: int) -> tuple[torch.Tensor, ...]:
    return torch.rand(2, channels, 52, 77), *(torch.full((1,), _BESIDE) for _ in _beside(net))


def export_lit(net: Lit, folder: Path, name: str, metadata: dict[str, str] | None = None) -> list[Path]:
    """Writes a network behind the front ``lit`` as a model of two graphs with a card, as :func:`export_model` does.

    Args:
        net: the network with its front.
        folder: an existing folder; files in it are replaced.
        name: of the model.
        metadata: further entries of the card.

    Returns:
        The files, the card last.

    Raises:
        WeightsError: when the network cannot be made into a graph that does the same.
        FileError: when the folder or the disk refuses.
    """
    lit = zoo.find(LIGHT)
    light, detail = folder / f"{LIGHT}.light.onnx", folder / f"{name}.detail.onnx"
    _write(onnx.load(lit.graphs["light"]), light)  # its parameters, which lay in a file beside it, are now in it
    export_onnx(bare(net), detail)
    own = spec(bare(net), name)
    content = {
        "name": name,
        "summary": f"{type(bare(net)).__name__} on pictures lit by {LIGHT}.",
        "good_at": "",
        "default": False,
        "spec": {**own, "strategy": net.strategy, "thumbnail": lit.spec.thumbnail},
        "network": net.config.network,
        "config": net.config.config,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "numbers": [],
        "shared": {"light": LIGHT},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (light, detail)},
        **(metadata or {}),
    }
    card = folder / f"{name}.json"
    with whole_file(card) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())
    return [light, detail, card]


def _channels(net: nn.Module) -> int:
    config = getattr(net, "config", None)
    return int(getattr(net, "channels", None) or getattr(config, "img_channels", None) or 3)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporters' remarks on their own insides from the person."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _traced(net: nn.Module, channels: int) -> onnx.ModelProto | None:
    """The graph by torch's tracing exporter; None where that cannot or is no more."""
    sizes = {0: "batch", 2: "height", 3: "width"}
    buffer = io.BytesIO()
    try:
        torch.onnx.export(
            net,
            _example(net, channels),
            buffer,  # type: ignore[arg-type]  # this exporter takes a stream too
            input_names=_inputs(net),
            output_names=["restored"],
            dynamic_axes={"low": sizes, "restored": sizes},
            do_constant_folding=False,  # parameters keep their names, and runtimes do it when they load
            opset_version=OPSET,
            dynamo=False,
        )
        return _tidy(onnx.load_from_string(buffer.getvalue()))
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError, AttributeError):
        return None


def _exported(net: nn.Module, channels: int) -> onnx.ModelProto:
    """The graph by torch.export, whatever the network does with sizes."""
    dynamic = torch.export.Dim.DYNAMIC
    try:
        program = torch.onnx.export(
            net,
            _example(net, channels),
            input_names=_inputs(net),
            output_names=["restored"],
            dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic}, *(None for _ in _beside(net))),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    except Exception as error:  # the exporter's own exceptions have no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{type(net).__name__}: cannot be made into an ONNX graph ({reason})") from error
    assert program is not None
    return _tidy(program.model_proto)


def _agrees(model: onnx.ModelProto, net: nn.Module, channels: int) -> bool:
    """Whether onnxruntime gives what torch gives, at sizes that were not traced."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        generator = torch.Generator().manual_seed(0)
        for n, height, width in _TRIED:
            low = torch.rand(n, channels, height, width, generator=generator)
            beside = [torch.full((1,), _BESIDE)] * len(_beside(net))
            feeds = dict(zip(_inputs(net), [low.numpy(), *(value.numpy() for value in beside)], strict=True))
            (restored,) = session.run(["restored"], feeds)
            with torch.inference_mode():
                expected = net.cpu()(low, *beside).numpy()
            if restored.shape != expected.shape:
                return False
            if np.abs(restored - expected).max() > _TOLERANCE * (np.ptp(expected) + 1):
                return False
    except Exception:  # onnxruntime's own exceptions have no common base that it exports
        return False
    return True


def link_weights(model_path: Path, weights_path: Path) -> None:
    """Makes an ONNX file take its parameters from the safetensors file beside it, so that they ship once.

    Both files must lie in one folder and hold the same network. Convolutions that a batch norm follows keep their own
    numbers: the graph has the two multiplied out. What the file holds in float16 the graph widens when it is loaded.

    Raises:
        ValueError: when the files lie in different folders, or a parameter of the graph is not in the weights file.
    """
    if model_path.parent.resolve() != weights_path.parent.resolve():
        raise ValueError(f"{model_path} and {weights_path} must lie in one folder")
    raw = weights_path.read_bytes()
    (header_size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + header_size])
    model = onnx.load(model_path)
    widened = []
    for tensor in model.graph.initializer:
        name = tensor.name
        if name not in header or _before_batch_norm(name, header):
            continue
        begin, end = (8 + header_size + offset for offset in header[name]["data_offsets"])
        values = numpy_helper.to_array(tensor)
        if header[name]["dtype"] == "F16":
            stored = np.frombuffer(raw[begin:end], np.float16).astype(np.float32)
            tensor.name, tensor.data_type = f"{name}.stored", onnx.TensorProto.FLOAT16
            widened.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
        else:
            stored = np.frombuffer(raw[begin:end], values.dtype)
        if values.tobytes() != stored.tobytes():
            raise ValueError(f"{name} of {model_path} is not the one in {weights_path}")
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", weights_path.name), ("offset", begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _write(model, model_path)


def _before_batch_norm(name: str, names: Container[str]) -> bool:
    """Whether a parameter is of a convolution whose successor in its ``nn.Sequential`` is a batch norm."""
    layer, _, _ = name.rpartition(".")
    sequence, _, number = layer.rpartition(".")
    return number.isdigit() and f"{sequence}.{int(number) + 1}.running_var" in names


def _tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops what the exporter leaves for debugging: stack traces, intermediate shapes and long names."""
    nested = any(
        attribute.type == onnx.AttributeProto.GRAPH for node in model.graph.node for attribute in node.attribute
    )
    if not nested:
        _simplify(model.graph)
    short = {} if nested else _short_names(model.graph)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = node.name = ""
        for names in (node.input, node.output):
            names[:] = [short.get(name, name) for name in names]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for value, name in ((model.graph.input[0], "low"), (model.graph.output[0], "restored")):
        for dim, symbol in zip(value.type.tensor_type.shape.dim, ("batch", None, "height", "width"), strict=True):
            if symbol:
                dim.dim_param = symbol
        assert value.name == name
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    return model


def _simplify(graph: onnx.GraphProto) -> None:
    """Leaves out what is computed twice, and what is computed of small constants, so that the graph loads quickly.

    Small parameters are constants too: the pieces that are cut out of them are stored in their place.
    """
    outputs = {value.name for value in graph.output}
    small = [tensor for tensor in graph.initializer if math.prod(tensor.dims) <= _LARGEST_FOLDED]
    known: dict[str, Any] = {tensor.name: numpy_helper.to_array(tensor) for tensor in small}
    made: dict[tuple[Any, ...], list[str]] = {}
    names: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        key = (node.domain, node.op_type, *node.input, *attributes, len(node.output))
        if outputs.isdisjoint(node.output):
            if key in made:
                names.update(zip(node.output, made[key], strict=True))
                continue
            made[key] = list(node.output)
            if all(name in known for name in node.input):
                values = ReferenceEvaluator(node).run(None, {name: known[name] for name in node.input})
                if sum(np.size(value) for value in values) <= _LARGEST_FOLDED:
                    known |= zip(node.output, map(np.asarray, values), strict=True)
                    continue
        nodes.append(node)
    used = set().union(*(node.input for node in nodes))
    del graph.node[:]
    graph.node.extend(nodes)
    kept = {tensor.name: tensor for tensor in graph.initializer if tensor.name in used}
    folded = [numpy_helper.from_array(known[name], name) for name in known if name in used and name not in kept]
    del graph.initializer[:]
    graph.initializer.extend([*kept.values(), *folded])


def _short_names(graph: onnx.GraphProto) -> dict[str, str]:
    """Numbers for what lies between the nodes, whose names are as long as the path to their module."""
    kept = {value.name for value in (*graph.output, *graph.input, *graph.initializer)}
    made = (name for node in graph.node for name in node.output if name and name not in kept)
    numbers = (number for number in map(str, itertools.count()) if number not in kept)
    return dict(zip(made, numbers, strict=False))


def _write(model: onnx.ModelProto, path: Path) -> None:
    with whole_file(path) as file:
        file.write(model.SerializeToString())
