"""Finds the gain that gives unseen people their real amplitude: regression alone moves too little.

    python -m lipwright.training.calibrate CLIPS.npz FOLDER --recipe RECIPE.toml

FOLDER holds a network trained by RECIPE without the people it holds out; on them, opening and width
get the spread they really have. Writes FOLDER/gain.npz: mean and gain per coefficient. A network
trained on everybody takes the gains found that way (`--gains`): its own clips would flatter it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from lipwright.evaluation.curves import amplitude
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, MOUTH_CORNERS
from lipwright.training.clips import TalkingClip, load
from lipwright.training.evaluate_motion import guess_clip, network_predictor
from lipwright.training.export import load_network
from lipwright.training.measure import opening_pairs, width_pairs
from lipwright.training.motion import Recipe, trainable
from lipwright.training.sync import guess

ROUNDS = 6


def opening_share(basis: np.ndarray) -> np.ndarray:
    """How far each coefficient is about opening rather than width. (K, 68, 3) to (K,), 0 to 1."""
    top, bottom = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)
    left, right = (DRIVE.index(corner) for corner in MOUTH_CORNERS)
    opens = np.abs(basis[:, bottom, 1] - basis[:, top, 1])
    widens = np.abs(basis[:, right, 0] - basis[:, left, 0])
    return opens / (opens + widens)


def amplitudes(folder: Path, clips: list[TalkingClip], direction: np.ndarray) -> np.ndarray:
    """Spread of opening and width, made over real, geometric mean over the clips' origins. (2,)."""
    predict, ratios = network_predictor(folder), []
    for origin in sorted({clip.origin for clip in clips}):
        guesses = [guess_clip(clip, predict, direction) for clip in clips if clip.origin == origin]
        ratios.append([amplitude(opening_pairs(guesses)), amplitude(width_pairs(guesses))])
    return np.exp(np.mean(np.log(ratios), 0))


def write_gain(folder: Path, clips: list[TalkingClip], gains: np.ndarray) -> None:
    """Write gain.npz: gains (2,) of opening and width, about the mean over these clips."""
    net, shape = load_network(folder)
    mean = np.concatenate([guess(net, clip.samples) for clip in clips]).mean(0)
    share = opening_share(shape["basis"])
    gain = gains[0] * share + gains[1] * (1 - share)
    np.savez(folder / "gain.npz", mean=mean.astype(np.float32), gain=gain.astype(np.float32))


def calibrate(folder: Path, clips: list[TalkingClip]) -> np.ndarray:
    """Write gain.npz for these people. Returns the gain of opening and of width. (2,)."""
    _, shape = load_network(folder)
    gains = np.ones(2)
    write_gain(folder, clips, gains)
    for _ in range(ROUNDS):  # the gate and the lips' meeting bend the size: look again after each step
        gains = gains / amplitudes(folder, clips, shape["opening_direction"])
        write_gain(folder, clips, gains)
    return gains


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--gains", type=float, nargs=2, help="of opening and width, found before: use these")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe.read(options.recipe)
    if options.gains:
        heard = [clip for clip in trainable(load(options.clips), recipe) if clip.origin == "wild"]
        write_gain(options.folder, heard, np.array(options.gains))
        return
    held_out = recipe.held_out
    clips = [clip for clip in load(options.clips) if clip.person in held_out and clip.confirmed]
    sys.stdout.write(f"gain of opening, width: {calibrate(options.folder, clips).round(2)}\n")


if __name__ == "__main__":
    main()
