"""Finds the gain that gives unseen people their real amplitude: regression alone moves too little.

A network trained without the people that its recipe holds out is measured on them: opening and width get the spread
they really have. A network trained on everybody takes the gains found that way (`gains` in its recipe): its own clips
would flatter it.
"""

from pathlib import Path

import numpy as np

from lipwright.errors import InputError
from lipwright.evaluation.curves import amplitude
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, MOUTH_CORNERS
from lipwright.progress import Progress, silent
from lipwright.training.clips import TalkingClip
from lipwright.training.evaluate_motion import guess_clip, network_predictor
from lipwright.training.export import load_network
from lipwright.training.files import write_arrays
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
    """Write gain.npz: gains (2,) of opening and width, and from them mean and gain (K,), about these clips' mean."""
    net, shape = load_network(folder)
    mean = np.concatenate([guess(net, clip.samples) for clip in clips]).mean(0)
    share = opening_share(shape["basis"])
    gain = gains[0] * share + gains[1] * (1 - share)
    arrays = {"mean": mean.astype(np.float32), "gain": gain.astype(np.float32), "gains": gains.astype(np.float32)}
    write_arrays(folder / "gain.npz", arrays)


def held_out(clips: list[TalkingClip], recipe: Recipe) -> list[TalkingClip]:
    """Clips to find the gains on: of the people whom the recipe holds out.

    Raises:
        InputError: there are none.
    """
    found = [clip for clip in clips if clip.person in recipe.held_out and clip.confirmed]
    if not found:
        raise InputError(
            "there is nobody to find the gains on: name people of these clips in the recipe's `held_out`, or set its "
            "`gains`, as in --set gains=[1.9,1.5]"
        )
    return found


def calibrate(folder: Path, clips: list[TalkingClip], recipe: Recipe, progress: Progress = silent) -> np.ndarray:
    """Write gain.npz of a run. Returns the gain of opening and of width, (2,).

    Args:
        folder: of the run.
        clips: all there are.
        recipe: of the run; its `gains` are taken, without them they are found on the people it holds out.
        progress: told after every round.

    Raises:
        InputError: neither gains nor clips of people held out.
    """
    if recipe.gains:
        heard = trainable(clips, recipe)
        write_gain(folder, [c for c in heard if c.origin == "wild"] or heard, np.array(recipe.gains))
        return np.array(recipe.gains)
    unheard = held_out(clips, recipe)
    _, shape = load_network(folder)
    gains = np.ones(2)
    write_gain(folder, unheard, gains)
    for done in range(1, ROUNDS + 1):  # the gate and the lips' meeting bend the size: look again after each step
        gains = gains / amplitudes(folder, unheard, shape["opening_direction"])
        write_gain(folder, unheard, gains)
        progress("calibrate", done, ROUNDS)
    return gains
