"""DarkIR for Keras 3, on the TensorFlow, JAX or torch backend that ``KERAS_BACKEND`` names.

>>> from lightwell.keras import create_darkir, create_darkir_model
>>> model = create_darkir("darkir-s", weights="darkir-s")
>>> restored = model.predict(low)  # (N, H, W, 3) in [0, 1], any height and width

Importing this registers the layers, so that ``keras.models.load_model`` finds them.
"""

from __future__ import annotations

try:
    import keras as _keras
except ModuleNotFoundError as missing:
    if missing.name == "keras":
        raise ImportError('lightwell.keras needs Keras: pip install "lightwell[keras]"') from None
    # Keras takes TensorFlow where nothing says otherwise.
    raise ImportError(
        f"Keras' backend needs {missing.name}, which is not installed: pip install it, or set the environment variable "
        "KERAS_BACKEND to torch, jax or tensorflow, whichever is there"
    ) from None

from lightwell.keras.layers import DarkIRDecoderBlock, DarkIREncoderBlock, DilatedBranch, FreMLP, SimpleGate
from lightwell.keras.model import by_matrices, create_darkir_model
from lightwell.keras.tiling import process_tiled
from lightwell.keras.training import PSNR, SSIM, AugmentedPairs, BeforeAfter, CharbonnierLoss, FolderPairs, Resume
from lightwell.keras.weights import create_darkir, from_torch, to_torch

__all__ = [
    "PSNR",
    "SSIM",
    "AugmentedPairs",
    "BeforeAfter",
    "CharbonnierLoss",
    "DarkIRDecoderBlock",
    "DarkIREncoderBlock",
    "DilatedBranch",
    "FolderPairs",
    "FreMLP",
    "Resume",
    "SimpleGate",
    "by_matrices",
    "create_darkir",
    "create_darkir_model",
    "from_torch",
    "process_tiled",
    "to_torch",
]

del _keras
