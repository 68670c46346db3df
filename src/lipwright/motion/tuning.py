"""Fits one person's mouth to footage in which they speak: neutral, range, and how their mouth answers speech.

The motion model is driven with the footage's own sound, and what it makes is laid beside what the mouth really did.
Three things are fitted, the last only where it proves itself on moments it was not fitted to:

- the *neutral* is the median of the real mouths less what speech makes of them, closed the rest of the way;
- the *range* of opening and of width is the real spread over the made one, drawn towards 1 in short footage;
- the *response* is a ridge regression from the model's coefficients to the person's, drawn towards the identity.

Opening answers to opening alone, by a factor: so lips that close stay closed, and no motion comes earlier or later.
"""

from dataclasses import dataclass

import numpy as np

from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, MOUTH_CORNERS
from lipwright.motion.style import (
    LEAST_GAIN,
    MOST_GAIN,
    SpeakerStyle,
    answered,
    closed,
    coefficients_of,
    mouth_shape,
    speaker_style,
)
from lipwright.structures import MouthDrive

LIPS = 40  # the first 40 drive points
BLOCKS = 4  # of time, each held out once
UNSURE_SECONDS = 4.0  # of speech that count as much for a range as the average speaker's
PRIOR_SECONDS = 30.0  # the same for the response
SLIDE = np.arange(-20, 21)  # steps of 20 ms
COUNTED = 6  # coefficients that tell how late the sound is
LEAST_PEAK, LEAST_LEAD, RIVAL_STEPS, MOST_LATE = 0.17, 0.1, 6, 0.3


@dataclass(frozen=True, slots=True)
class Spoken:
    """Real mouths and what the model makes of the sound at the same moments.

    Args:
        real: (F, 68, 3) float32 face space.
        made: (F, 68, 3) float32 displacements.
        fps: of both.
    """

    real: np.ndarray
    made: np.ndarray
    fps: float

    def __getitem__(self, frames: np.ndarray) -> "Spoken":
        return Spoken(self.real[frames], self.made[frames], self.fps)

    @property
    def seconds(self) -> float:
        """How long."""
        return len(self.real) / self.fps


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedStyle:
    """A style and how it did on moments it was not fitted to.

    Args:
        style: the person's.
        helps: whether it is better than the untuned one; if not, `style` is the untuned one.
        opens, widens: range, 1 = as the model moves.
        responds: whether the response is in it.
        before, after: landmark error of the lips with the untuned style and with this kind of style, % of eye distance.
    """

    style: SpeakerStyle
    helps: bool
    opens: float
    widens: float
    responds: bool
    before: float
    after: float


def lateness(made: np.ndarray, real: np.ndarray, fps: float) -> float | None:
    """How much later the sound is than the picture, None where the two do not belong together.

    The made mouth is slid over the real one; the peak of the correlation has to be high and to stand out.

    Args:
        made: (n, 68, 3) float32 displacements at 100 a second.
        real: (F, 68, 3) float32 face space at `fps`; frames that are not to be trusted are NaN.

    Returns:
        Seconds.
    """
    heard, seen = coefficients_of(made)[:, :COUNTED], coefficients_of(real)[:, :COUNTED]
    good = np.flatnonzero(np.isfinite(seen).all(1))
    curve = np.zeros(len(SLIDE))
    for i, slide in enumerate(SLIDE):
        at = np.round(good / fps * 100).astype(int) + 2 * slide
        inside = (at >= 0) & (at < len(heard))
        if inside.sum() > COUNTED:
            a, b = (part - part.mean(0) for part in (heard[at[inside]], seen[good[inside]]))
            curve[i] = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-12)
    best = int(curve.argmax())
    rival = curve[np.abs(np.arange(len(curve)) - best) > RIVAL_STEPS].max()
    late = 0.02 * float(SLIDE[best])
    sure = curve[best] >= LEAST_PEAK and curve[best] - rival >= LEAST_LEAD and abs(late) <= MOST_LATE
    return late if sure else None


def fit_style(spoken: Spoken) -> FittedStyle:
    """Fit a style: of untuned, range and response the one with the least error on held-out blocks of time.

    Args:
        spoken: at least a few seconds.
    """
    fits = (_untuned, _ranged, _responding)
    blocks = np.arange(len(spoken.real)) * BLOCKS // len(spoken.real)
    errors = np.zeros(len(fits))
    for block in range(BLOCKS):
        others, own = spoken[blocks != block], spoken[blocks == block]
        errors += [_error(fit(others)[0], own) / BLOCKS for fit in fits]
    best = int(errors.argmin())
    style, gains = fits[best](spoken)
    return FittedStyle(
        style=style,
        helps=best > 0,
        opens=float(gains[0]),
        widens=float(gains[1]),
        responds=fits[best] is _responding,
        before=float(errors[0]),
        after=float(errors[best]),
    )


def _error(style: SpeakerStyle, spoken: Spoken) -> float:
    """Mean distance of the lip points, % of eye distance, median over frames."""
    made = style.mouths(MouthDrive(spoken.made))
    return 100 * float(np.median(np.linalg.norm((made - spoken.real)[:, :LIPS], axis=2).mean(1)))


def _untuned(spoken: Spoken) -> tuple[SpeakerStyle, np.ndarray]:
    style = speaker_style(spoken.real)
    return style, np.full(2, style.gain)


def _ranged(spoken: Spoken) -> tuple[SpeakerStyle, np.ndarray]:
    made, real, direction, effect = _parts(spoken)
    response, gains = _stretched(np.eye(made.shape[1]), made, real, (direction, effect), spoken.seconds)
    return _with_neutral(spoken, response), gains


def _responding(spoken: Spoken) -> tuple[SpeakerStyle, np.ndarray]:
    made, real, direction, effect = _parts(spoken)
    prior = PRIOR_SECONDS * spoken.fps * np.diag(made.var(0))
    response = np.linalg.solve(made.T @ made + prior, made.T @ real + prior)
    response -= np.outer((response - np.eye(len(response))) @ effect[0], direction[:, 0])  # opening to opening alone
    response, gains = _stretched(response, made, real, (direction, effect), spoken.seconds)
    return _with_neutral(spoken, response), gains


def _parts(spoken: Spoken) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients made and real, means removed (F, K), and of opening and width: directions (K, 2), effects (2, K).

    A direction is the motion that changes one of the two by 1 and leaves the other, likeliest by the made spreads.
    """
    made, real = (coefficients_of(part).astype(np.float64) for part in (spoken.made, spoken.real))
    made, real = made - made.mean(0), real - real.mean(0)
    basis = mouth_shape()["basis"].astype(np.float64)
    left, right, top, bottom = (DRIVE.index(point) for point in (*MOUTH_CORNERS, LIP_TOP, LIP_BOTTOM))
    effect = np.stack([basis[:, bottom, 1] - basis[:, top, 1], basis[:, right, 0] - basis[:, left, 0]])
    moved = (made.var(0) + 1e-9)[:, None] * effect.T
    return made, real, moved @ np.linalg.inv(effect @ moved), effect


def _stretched(
    response: np.ndarray, made: np.ndarray, real: np.ndarray, axes: tuple[np.ndarray, np.ndarray], seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """A response with the range of opening and of width put right, and these as shares of the made. (K, K), (2,)."""
    direction, effect = axes
    spread = (made @ response @ effect.T).std(0)
    ratio = (real @ effect.T).std(0) / np.maximum(spread, 1e-6)
    gains = np.clip(np.maximum(ratio, 1e-6) ** (seconds / (seconds + UNSURE_SECONDS)), LEAST_GAIN, MOST_GAIN)
    response = response @ (np.eye(len(response)) + effect.T * (gains - 1) @ direction.T)
    return response, (made @ response @ effect.T).std(0) / np.maximum((made @ effect.T).std(0), 1e-6)


def _with_neutral(spoken: Spoken, response: np.ndarray) -> SpeakerStyle:
    rest = np.median(spoken.real - answered(spoken.made, response), axis=0)
    neutral = closed(rest, mouth_shape()["opening_direction"])
    return SpeakerStyle(neutral, response=response.astype(np.float32))
