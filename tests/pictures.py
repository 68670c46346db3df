"""Pictures for the tests: the portrait moved about, several faces, scenes without one."""

import cv2
import numpy as np


def panned(portrait: np.ndarray, at: float, width: int = 288, height: int = 256) -> np.ndarray:
    """The portrait's face under a slowly moving, slowly zooming camera; `at` in 0..1."""
    turn = 2 * np.pi * at
    zoom = 1.25 + 0.05 * np.sin(turn)
    middle = np.array((225 + 12 * np.cos(turn), 150 + 6 * np.sin(turn)))
    shift = np.array((width, height)) / 2 - zoom * middle
    matrix = np.array(((zoom, 0, shift[0]), (0, zoom, shift[1])))
    return cv2.warpAffine(portrait, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def noisy(picture: np.ndarray, seed: int, sigma: float = 6.0) -> np.ndarray:
    """Grain of its own on every pixel."""
    grain = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


def scene(width: int, height: int, seed: int = 7) -> np.ndarray:
    """A blurred random scene without a face."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def placed(canvas: np.ndarray, portrait: np.ndarray, x: int, y: int, size: int) -> np.ndarray:
    """A copy of the canvas with the portrait's head (its upper left 400 × 300 pixels) pasted at x, y, `size` high."""
    head = portrait[30:330, 75:375]
    small = cv2.resize(head, (size, size), interpolation=cv2.INTER_AREA)
    out = canvas.copy()
    out[y : y + size, x : x + size] = small
    return out
