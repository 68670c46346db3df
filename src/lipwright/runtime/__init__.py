"""ONNX Runtime behind one door: shipped weights, published models, and the devices that run them."""

from lipwright.runtime.cores import share_cores
from lipwright.runtime.devices import CPU, Device, check_device, choose_device
from lipwright.runtime.models import Models
from lipwright.runtime.network import Network
from lipwright.runtime.pictures import PictureModel
from lipwright.runtime.sessions import load_onnxruntime, open_model, weights

__all__ = [
    "CPU",
    "Device",
    "Models",
    "Network",
    "PictureModel",
    "check_device",
    "choose_device",
    "load_onnxruntime",
    "open_model",
    "share_cores",
    "weights",
]
