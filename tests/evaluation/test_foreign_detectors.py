"""Detectors of other projects, exported by the commands of docs/detection.md, against those projects' own words.

Their weights cannot be had everywhere, so the networks are random. Skipped where the projects are not installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from lightwell.evaluation.detectors import Detector, overlaps

# What those projects warn of is theirs.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def picture() -> np.ndarray:
    """As wide as the detectors' input, so that nothing is resampled."""
    noise = np.random.default_rng(0).integers(0, 256, (7, 10, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((640, 448), Image.Resampling.BICUBIC))


def command(name: str, *words: str, folder: Path) -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name(name), *words],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_yolo11(tmp_path: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    ultralytics = pytest.importorskip("ultralytics")
    from ultralytics.utils.nms import TorchNMS, non_max_suppression

    # Only its suppression is wanted of torchvision, whose builds for GPUs do not load beside a torch for CPUs.
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setattr(sys.modules["torchvision"], "ops", SimpleNamespace(nms=TorchNMS.nms), raising=False)
    torch.manual_seed(0)
    model = ultralytics.YOLO("yolo11n.yaml")
    for layer in model.model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    padded = np.full((640, 640, 3), 114, np.uint8)
    padded[96:544] = picture
    tensor = padded.transpose(2, 0, 1)[None].astype(np.float32) / 255
    # Without statistics of its own a random network says the same everywhere.
    model.model.train()(torch.from_numpy(tensor))
    model.model.eval()
    for branch in model.model.model[-1].cv3:
        nn.init.normal_(branch[-1].weight, std=0.05)
        nn.init.constant_(branch[-1].bias, -8)
    model.save(tmp_path / "yolo11n.pt")
    command("yolo", "export", "model=yolo11n.pt", "format=onnx", folder=tmp_path)

    (raw,) = onnxruntime.InferenceSession(tmp_path / "yolo11n.onnx").run(None, {"images": tensor})
    options = {"multi_label": True, "max_det": 100, "max_time_img": 600}
    theirs = non_max_suppression(torch.from_numpy(raw), 0.001, 0.6, **options)[0].numpy()
    ours = Detector(tmp_path / "yolo11n.onnx", "yolov8")(picture)
    boxes = (theirs[:, :4] - [0, 96, 0, 96]).clip(0, [640, 448, 640, 448])
    same = (overlaps(ours.boxes, boxes) > 0.999) & (np.abs(ours.scores[:, None] - theirs[:, 4]) < 1e-5)
    same &= ours.classes[:, None] == theirs[:, 5]
    assert len(theirs) == len(ours.scores) > 20
    assert same.any(0).mean() > 0.9  # an overlap near the threshold may fall either way


def test_rtdetr(tmp_path: Path, picture: np.ndarray) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("optimum")
    from transformers.models.rt_detr.configuration_rt_detr_resnet import RTDetrResNetConfig

    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        layer_type="basic",
        depths=[2, 2, 2, 2],
        hidden_sizes=[64, 128, 256, 512],
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[128, 256, 512], decoder_layers=3, num_labels=80
    )
    transformers.RTDetrForObjectDetection(config).save_pretrained(tmp_path / "rtdetr_r18vd")
    processor = transformers.RTDetrImageProcessor()
    processor.save_pretrained(tmp_path / "rtdetr_r18vd")
    words = ("export", "onnx", "--task", "object-detection", "--model", "rtdetr_r18vd", "rtdetr/")
    command("optimum-cli", *words, folder=tmp_path)

    square = np.asarray(Image.fromarray(picture).resize((640, 640)))
    tensor = processor(images=square, return_tensors="np")["pixel_values"]
    session = onnxruntime.InferenceSession(tmp_path / "rtdetr" / "model.onnx")
    logits, places = map(torch.from_numpy, session.run(["logits", "pred_boxes"], {"pixel_values": tensor}))
    outputs = SimpleNamespace(logits=logits, pred_boxes=places)
    theirs = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[(640, 640)])[0]
    best = np.argsort(-theirs["scores"].numpy(), kind="stable")[:100]
    ours = Detector(tmp_path / "rtdetr" / "model.onnx", "rtdetr")(square)
    np.testing.assert_allclose(ours.scores, theirs["scores"].numpy()[best], atol=1e-5)
    assert (ours.classes == theirs["labels"].numpy()[best]).mean() >= 0.98
    np.testing.assert_allclose(ours.boxes, theirs["boxes"].numpy()[best].clip(0, 640), atol=1e-2)
