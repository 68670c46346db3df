"""Lipwright, file to file, beside the networks of well-known generators alone: docs/benchmarks.md, "Peers".

    python benchmarks/peers.py --video person.mp4 [--seconds 10] [--runs 3]

The networks are rebuilt from their published layer tables with random weights: their speed does not depend on the
weights, and their looks are no subject here. They are timed on arrays that lie in memory: no face is found, nothing is
cropped, pasted, decoded or encoded, while our command does all of that, marks its result and starts up. MuseTalk
also runs the two halves of a variational autoencoder on every frame, which is left out. Each measurement has a process
of its own, which also tells its peak memory. Float32 on the CPU with all its cores. Needs the extra train, and
`pip install diffusers` for MuseTalk's network, which is left out without it.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from lipwright.bench.commands import run_lipwright
from lipwright.bench.material import write_footage, write_sound
from lipwright.render.dinet_network import Generator, MaskedGenerator
from lipwright.runtime.sessions import open_session

# Rows of a table: kernel, stride, padding, channels given, how often a layer of the same size with a shortcut follows.
FACE = (
    ((7, 1, 3, 16, 0),),
    ((3, 2, 1, 32, 2),),
    ((3, 2, 1, 64, 3),),
    ((3, 2, 1, 128, 2),),
    ((3, 2, 1, 256, 2),),
    ((3, 2, 1, 512, 1),),
    ((3, 1, 0, 512, 0), (1, 1, 0, 512, 0)),
)
SOUND = (
    (3, 1, 1, 32, 2),
    (3, (3, 1), 1, 64, 2),
    (3, 3, 1, 128, 2),
    (3, (3, 2), 1, 256, 1),
    (3, 1, 0, 512, 0),
    (1, 1, 0, 512, 0),
)
# Channels given, shortcut layers after it; beside each level, the face's features of that size are joined.
DRAWING = ((512, 1), (512, 2), (384, 2), (256, 2), (128, 2), (64, 2))


class Layer(nn.Module):
    """Convolution, batch norm, ReLU; with a shortcut where it keeps the size."""

    def __init__(self, convolution: nn.Module, channels: int, *, shortcut: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution, nn.BatchNorm2d(channels))
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same of another size."""
        made = self.body(features)
        return (made + features if self.shortcut else made).relu()


def stage(taken: int, row: tuple[Any, ...]) -> tuple[nn.Sequential, int]:
    """The layers of one row; returns them and how many channels they give."""
    kernel, stride, padding, given, same = row
    return nn.Sequential(
        Layer(nn.Conv2d(taken, given, kernel, stride, padding), given),
        *(Layer(nn.Conv2d(given, given, 3, 1, 1), given, shortcut=True) for _ in range(same)),
    ), given


def stages(taken: int, rows: tuple[tuple[Any, ...], ...]) -> nn.Sequential:
    """The layers of several rows, one after the other."""
    made = []
    for row in rows:
        layers, taken = stage(taken, row)
        made.append(layers)
    return nn.Sequential(*made)


class Wav2Lip(nn.Module):
    """The generator of Prajwal et al., "A Lip Sync Expert Is All You Need", 2020: 96 pixels, 16 mel columns."""

    def __init__(self) -> None:
        super().__init__()
        self.sound = stages(1, SOUND)
        taken = [6, *(rows[-1][3] for rows in FACE)]
        self.face = nn.ModuleList(stages(given, rows) for given, rows in zip(taken, FACE, strict=False))
        self.drawing = nn.ModuleList([stages(512, ((1, 1, 0, 512, 0),))])
        joined = 512 + taken[-1]
        for level, (given, same) in enumerate(DRAWING):
            # The first grows 1 pixel to 3, the others double the size.
            grown = (3, 1, 0, 0) if level == 0 else (3, 2, 1, 1)
            shortcuts = (Layer(nn.Conv2d(given, given, 3, 1, 1), given, shortcut=True) for _ in range(same))
            self.drawing.append(nn.Sequential(Layer(nn.ConvTranspose2d(joined, given, *grown), given), *shortcuts))
            joined = given + taken[-2 - level]
        self.last = nn.Sequential(stages(joined, ((3, 1, 1, 32, 0),)), nn.Conv2d(32, 3, 1))

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """(B, 1, 80, 16) and (B, 6, 96, 96), masked and reference face, to (B, 3, 96, 96)."""
        seen = []
        for layers in self.face:
            faces = layers(faces)
            seen.append(faces)
        drawn = self.sound(mel)
        for layers, shown in zip(self.drawing, reversed(seen), strict=True):
            drawn = torch.cat([layers(drawn), shown], 1)
        return self.last(drawn).sigmoid()


class MuseTalk(nn.Module):
    """The U-Net of MuseTalk: that of Stable Diffusion 1 with 8 channels in and Whisper's 384 features beside."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers import UNet2DConditionModel

        self.net = UNet2DConditionModel(
            sample_size=64,
            in_channels=8,
            out_channels=4,
            cross_attention_dim=384,
            attention_head_dim=8,
            block_out_channels=(320, 640, 1280, 1280),
        )

    def forward(self, latents: Tensor, sound: Tensor) -> Tensor:
        """(B, 8, 32, 32) and (B, 50, 384) to (B, 4, 32, 32), in one step."""
        return self.net(latents, 0, sound).sample


def dinet() -> nn.Module:
    """HeyGem's DINet at its published size."""
    everywhere = np.ones((256, 256), np.float32)
    return MaskedGenerator(Generator(64), everywhere, everywhere)


@dataclass(frozen=True)
class Peer:
    """A network to be timed.

    Args:
        name: its name.
        build: makes it.
        inputs: shapes of what it takes for one frame.
        batch: frames at a time.
        exported: run by ONNX Runtime; else by torch, as a file of its size exceeds what ONNX holds in one.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[tuple[int, ...], ...]
    batch: int
    exported: bool = True


PEERS = (
    Peer("Wav2Lip, 96 px", Wav2Lip, ((1, 80, 16), (6, 96, 96)), 16),
    Peer("DINet, 256 px", dinet, ((3, 256, 256), (256, 20)), 4),
    Peer("MuseTalk's U-Net, 32 x 32 latents (256 px)", MuseTalk, ((8, 32, 32), (50, 384)), 4, exported=False),
)


def export(number: int, path: Path) -> float:
    """Write the network as an ONNX file if it is run from one. Returns its size in million parameters."""
    peer = PEERS[number]
    network = peer.build().eval()
    if peer.exported:
        example = tuple(torch.rand(peer.batch, *shape) for shape in peer.inputs)
        names = [f"in{place}" for place in range(len(example))]
        torch.onnx.export(network, example, str(path), input_names=names, dynamo=False)
    return sum(weights.numel() for weights in network.parameters()) / 1e6


def time_network(number: int, path: Path, runs: int) -> tuple[float, int]:
    """Frames a second of the network, the median of some batches, and this process's peak memory in bytes."""
    peer, rng = PEERS[number], np.random.default_rng(0)
    arrays = [rng.random((peer.batch, *shape), np.float32) for shape in peer.inputs]
    if peer.exported:
        session = open_session(str(path), peer.name, threads=0)
        feed = {f"in{place}": array for place, array in enumerate(arrays)}
        work = lambda: session.run(None, feed)  # noqa: E731
    else:
        network, tensors = peer.build().eval(), [torch.from_numpy(array) for array in arrays]
        work = lambda: network(*tensors)  # noqa: E731
    seconds = []
    with torch.inference_mode():
        for _ in range(runs + 1):  # the first one prepares
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    return peer.batch / median(seconds[1:]), peak_memory()


def peak_memory() -> int:
    """Most resident bytes this process ever held."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def alone(work: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what the work returns
    """Do it in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def ours(video: Path, sound: Path, cache: Path, output: Path) -> tuple[float, int]:
    """Seconds and peak bytes of the whole command."""
    cost = run_lipwright("dub", "--video", video, "--audio", sound, "-o", output, "-q", "--cache", cache)
    return cost.seconds, cost.memory


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--audio", type=Path, help="the bundled speech if not given")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| what | parameters | batch | frames/s | peak memory |\n|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="lipwright-peers-") as name:
        folder = Path(name)
        if options.audio is None:
            from lipwright.example import speech

            options.audio = speech
        write_sound(folder / "sound.wav", options.audio, options.seconds)
        facts = write_footage(folder / "footage.mp4", options.video, folder / "sound.wav")
        paths = folder / "footage.mp4", folder / "sound.wav", folder / "cache", folder / "out.mp4"
        run_lipwright("avatar", "build", paths[0], "-q", "--cache", paths[2])
        costs = [ours(*paths) for _ in range(options.runs)]
        rate = facts.frames / median(seconds for seconds, _ in costs)
        print(
            f"| Lipwright, file to file, {facts.width}×{facts.height}, marked | | | {rate:.1f} "
            f"| {max(memory for _, memory in costs) / 1e6:.0f} MB |"
        )
        for number, peer in enumerate(PEERS):
            try:
                size = alone(export, number, folder / "network.onnx")
                rate, memory = alone(time_network, number, folder / "network.onnx", options.runs)
            except ImportError as exc:
                print(f"{peer.name}: left out, {exc}", file=sys.stderr)
                continue
            how = "" if peer.exported else ", in torch"
            print(f"| {peer.name}{how} | {size:.1f} M | {peer.batch} | {rate:.2f} | {memory / 1e6:.0f} MB |")


if __name__ == "__main__":
    main()
