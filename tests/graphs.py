"""Restoring models of one or two operators, as ONNX files: what they do is known without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto, helper

Kind = Literal["identity", "gamma", "exposure", "nan", "two-inputs", "smaller", "steps"]


def save(path: Path, kind: Kind) -> Path:
    """Write a model: ``identity``; ``gamma`` takes the square root; ``exposure`` brings the mean to one half; ``steps``
    does nothing, by numbers around 256, which bfloat16 holds to 2.
    """
    shape = ["batch", 3, "height", "width"]
    low = helper.make_tensor_value_info("low", TensorProto.FLOAT, shape)
    restored = helper.make_tensor_value_info("restored", TensorProto.FLOAT, [None] * 4)
    inputs, constants = [low], []
    if kind == "identity":
        nodes = [helper.make_node("Identity", ["low"], ["restored"])]
    elif kind == "gamma":
        nodes = [helper.make_node("Sqrt", ["low"], ["restored"])]
    elif kind == "exposure":
        constants = [
            helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        ]
        nodes = [
            helper.make_node("ReduceMean", ["low", "axes"], ["mean"], keepdims=1),
            helper.make_node("Div", ["half", "mean"], ["gain"]),
            helper.make_node("Mul", ["low", "gain"], ["restored"]),
        ]
    elif kind == "nan":
        nodes = [
            helper.make_node("Sub", ["low", "low"], ["zero"]),
            helper.make_node("Div", ["zero", "zero"], ["restored"]),
        ]
    elif kind == "steps":
        constants = [
            helper.make_tensor("far", TensorProto.FLOAT, [], [256.0]),
            helper.make_tensor("same", TensorProto.FLOAT, [3, 3, 1, 1], [1.0, 0, 0, 0, 1, 0, 0, 0, 1]),
        ]
        nodes = [
            helper.make_node("Add", ["low", "far"], ["raised"]),
            helper.make_node("Conv", ["raised", "same"], ["kept"]),
            helper.make_node("Sub", ["kept", "far"], ["restored"]),
        ]
    elif kind == "two-inputs":
        inputs = [low, helper.make_tensor_value_info("more", TensorProto.FLOAT, shape)]
        nodes = [helper.make_node("Add", ["low", "more"], ["restored"])]
    else:
        nodes = [helper.make_node("GlobalAveragePool", ["low"], ["restored"])]
    graph = helper.make_graph(nodes, kind, inputs, [restored], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return path
