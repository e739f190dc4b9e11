"""Networks as ONNX graphs.

The graph takes ``low``, float32 ``(N, C, H, W)`` in [0, 1] with any N, H and W, and gives ``restored`` of the same
shape, not clamped. It holds no DFT operator and no complex type.
"""

from __future__ import annotations

import json
import os
import struct
import warnings
from collections.abc import Container
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

__all__ = ["export_onnx", "link_weights"]

OPSET = 20


def export_onnx(net: nn.Module, path: Path, channels: int = 3) -> None:
    """Writes a network as one self-contained ONNX file.

    Args:
        net: takes and returns ``(N, C, H, W)``; its mode is left as it was.
        path: where the file goes; it appears whole or not at all.
        channels: C.
    """
    was_training = net.training
    dynamic = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        # The exporter warns of its own deprecated calls.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net.eval(),
            (torch.rand(2, channels, 52, 77),),
            input_names=["low"],
            output_names=["restored"],
            dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    net.train(was_training)
    assert program is not None
    model = _tidy(program.model_proto)
    onnx.checker.check_model(model)
    _write(model, path)


def link_weights(model_path: Path, weights_path: Path) -> None:
    """Makes an ONNX file take its parameters from the safetensors file beside it, so that they ship once.

    Both files must lie in one folder and hold the same network. Convolutions that a batch norm follows keep their own
    numbers: the graph has the two multiplied out.

    Raises:
        ValueError: when the files lie in different folders, or a parameter of the graph is not in the weights file.
    """
    if model_path.parent.resolve() != weights_path.parent.resolve():
        raise ValueError(f"{model_path} and {weights_path} must lie in one folder")
    raw = weights_path.read_bytes()
    (header_size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + header_size])
    model = onnx.load(model_path)
    for tensor in model.graph.initializer:
        if tensor.name not in header or _before_batch_norm(tensor.name, header):
            continue
        begin, end = (8 + header_size + offset for offset in header[tensor.name]["data_offsets"])
        if numpy_helper.to_array(tensor).tobytes() != raw[begin:end]:
            raise ValueError(f"{tensor.name} of {model_path} is not the one in {weights_path}")
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", weights_path.name), ("offset", begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))
    _write(model, model_path)


def _before_batch_norm(name: str, names: Container[str]) -> bool:
    """Whether a parameter is of a convolution whose successor in its ``nn.Sequential`` is a batch norm."""
    layer, _, _ = name.rpartition(".")
    sequence, _, number = layer.rpartition(".")
    return number.isdigit() and f"{sequence}.{int(number) + 1}.running_var" in names


def _tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops what the exporter leaves for debugging: stack traces and intermediate shapes."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
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


def _write(model: onnx.ModelProto, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    onnx.save(model, part)
    os.replace(part, path)
