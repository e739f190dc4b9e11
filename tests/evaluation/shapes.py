"""A made-up detection set, squares and discs on noise, a tiny detector trained on it, and one that never looks."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from torch import Tensor, nn

CLASSES = ("disc", "square")
SIDE = 64


def make_picture(rng: np.random.Generator) -> tuple[Image.Image, list[tuple[int, list[int]]]]:
    """A bright picture with one to three shapes in different quarters: class and left, top, width, height."""
    noise = rng.normal(150, 12, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(noise)
    draw = ImageDraw.Draw(image)
    shapes = []
    for quarter in rng.choice(4, rng.integers(1, 4), replace=False):
        kind, size = int(rng.integers(2)), int(rng.integers(14, 24))
        left = int(32 * (quarter % 2) + rng.integers(0, 32 - size))
        top = int(32 * (quarter // 2) + rng.integers(0, 32 - size))
        corners = (left, top, left + size - 1, top + size - 1)
        if kind:
            draw.rectangle(corners, fill=(235, 235, 90))
        else:
            draw.ellipse(corners, fill=(60, 60, 200))
        shapes.append((kind, [left, top, size, size]))
    return image, shapes


def write_coco(folder: Path, count: int, seed: int) -> Path:
    """Pictures in ``folder/images`` and their annotations in COCO's format."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        image, shapes = make_picture(rng)
        image.save(folder / "images" / f"{number:03}.png")
        images.append({"id": number, "file_name": f"{number:03}.png", "width": SIDE, "height": SIDE, "licence": 7})
        for kind, box in shapes:
            place = {"id": len(annotations) + 1, "image_id": number, "category_id": 10 + 10 * kind, "bbox": box}
            annotations.append(place | {"area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": 10, "name": "disc"}, {"id": 20, "name": "square"}]
    path = folder / "annotations.json"
    path.write_text(
        json.dumps({"info": {"year": 2024}, "images": images, "annotations": annotations, "categories": categories})
    )
    return path


class TinyDetector(nn.Module):
    """One box for each cell of 8 pixels, in the layout of YOLOv8: ``(1, 4 + classes, cells)``, x, y, w, h in pixels."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 16, 2), (16, 32, 2), (32, 32, 2), (32, 32, 1)):
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(32, 4 + len(CLASSES), 1))
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        self.register_buffer("cells", (torch.stack([x, y]).flatten(1) * 8 + 4)[None])

    def forward(self, picture: Tensor) -> Tensor:
        raw = self.body(picture).flatten(2)
        centre = self.cells + 8 * raw[:, :2]
        return torch.cat([centre, 16 * raw[:, 2:4].exp(), raw[:, 4:].sigmoid()], dim=1)


def train_detector(path: Path, steps: int = 250) -> None:
    """Trains on bright pictures and writes the ONNX file."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    made = [make_picture(rng) for _ in range(96)]
    pictures = torch.from_numpy(np.stack([np.asarray(image) for image, _ in made])).permute(0, 3, 1, 2) / 255
    boxes, kinds, present = torch.zeros(96, 4, 64), torch.zeros(96, len(CLASSES), 64), torch.zeros(96, 1, 64)
    for i, (_, shapes) in enumerate(made):
        for kind, (left, top, width, height) in shapes:
            x, y = left + width / 2, top + height / 2
            cell = int(y // 8) * 8 + int(x // 8)
            boxes[i, :, cell] = torch.tensor([x, y, width, height])
            kinds[i, kind, cell] = present[i, 0, cell] = 1
    net = TinyDetector()
    optimiser = torch.optim.Adam(net.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, steps)
    for _ in range(steps):
        batch = torch.randint(96, (24,))
        out = net(pictures[batch])
        where = present[batch]
        box_loss = (F.smooth_l1_loss(out[:, :4], boxes[batch], reduction="none") * where).sum() / where.sum() / 4
        kind_loss = F.binary_cross_entropy(out[:, 4:], kinds[batch], reduction="sum") / where.sum()
        loss = box_loss + kind_loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(net.eval(), (pictures[:1],), path, dynamo=False, opset_version=17)


def save_constant(path: Path, shape: list[object], outputs: list[np.ndarray]) -> Path:
    """A network that looks at nothing and always answers the same."""
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    nodes, infos = [], []
    for i, output in enumerate(outputs):
        constant = numpy_helper.from_array(output.astype(np.float32), f"value{i}")
        nodes.append(helper.make_node("Constant", [], [f"out{i}"], value=constant))
        infos.append(helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, output.shape))
    graph = helper.make_graph(nodes, "constant", [picture], infos)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
