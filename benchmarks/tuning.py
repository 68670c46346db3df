"""What `lipwright avatar tune` is worth: fitted to the first half of a person's speech, judged on the second.

    python benchmarks/tuning.py CLIPS.npz

CLIPS.npz is what `lipwright.training.sync` writes: landmarks and sound, their offsets known. People marked `test` with
at least `LEAST` seconds count; whole clips where there are several of a person, else the halves of one. Columns: r of
opening and of width, their amplitudes, landmark error (% of eye distance), lag (frames), share of the frames closed in
the drive that open (%); means over people.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from lipwright.evaluation.curves import amplitude, lag_of, pooled_r
from lipwright.facespace import opening, width
from lipwright.motion.style import SpeakerStyle, mouth_shape, neutral_mouth, speaker_style
from lipwright.motion.tuning import LIPS, Spoken, fit_style
from lipwright.structures import MouthDrive
from lipwright.training.clips import TalkingClip, load
from lipwright.training.evaluate_motion import Predictor, guess_clip, shipped_predictor

LEAST = 4.5  # seconds of a person, both halves together
SHORT = 10  # seconds: people with less are a row of their own
SHUT = 0.01  # eye distances: an opening that counts as closed


def spoken(clip: TalkingClip, predict: Predictor) -> Spoken:
    """A clip's real mouths beside the model's displacements."""
    direction = mouth_shape()["opening_direction"]
    guess = guess_clip(clip, predict, direction)
    return Spoken(guess.real, guess.made - neutral_mouth(clip.drive, direction), float(clip.fps))


def halves(clips: list[Spoken]) -> tuple[list[Spoken], list[Spoken]]:
    """The first and the second half of a person's speech."""
    if len(clips) == 1:
        late = np.arange(len(clips[0].real)) >= len(clips[0].real) // 2
        return [clips[0][~late]], [clips[0][late]]
    begins = np.cumsum([0.0, *(clip.seconds for clip in clips)])
    first = [begin < begins[-1] / 2 for begin in begins[:-1]]
    first[-1] = False
    return [c for c, a in zip(clips, first, strict=True) if a], [c for c, a in zip(clips, first, strict=True) if not a]


def joined(clips: list[Spoken]) -> Spoken:
    """Clips as one, for fitting."""
    return Spoken(np.concatenate([c.real for c in clips]), np.concatenate([c.made for c in clips]), clips[0].fps)


def judge(style: SpeakerStyle, clips: list[Spoken]) -> tuple[float, ...]:
    """The columns of the table; see above."""
    made = [style.mouths(MouthDrive(clip.made)) for clip in clips]
    opens = [(opening(m), opening(c.real)) for m, c in zip(made, clips, strict=True)]
    widths = [(width(m), width(c.real)) for m, c in zip(made, clips, strict=True)]
    off = [np.linalg.norm((m - c.real)[:, :LIPS], axis=2).mean(1) for m, c in zip(made, clips, strict=True)]
    shut = np.concatenate([opening(c.made + style.neutral) for c in clips]) <= SHUT
    gape = np.concatenate([pair[0] for pair in opens])[shut] > 1.5 * SHUT
    error, gaping = 100 * float(np.median(np.concatenate(off))), 100 * float(gape.mean()) if len(gape) else 0.0
    return (pooled_r(opens), pooled_r(widths), amplitude(opens), amplitude(widths), error, lag_of(opens), gaping)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path)
    predict, people = shipped_predictor(), {}
    for clip in load(parser.parse_args().clips):
        if clip.use == "test" and (clip.confirmed or clip.origin != "wild"):
            people.setdefault((clip.origin, clip.person), []).append(clip)
    rows: dict[str, list] = {}
    for (origin, _), clips in people.items():
        said = [spoken(clip, predict) for clip in clips]
        seconds = sum(part.seconds for part in said)
        if seconds < LEAST:
            continue
        first, second = halves(said)
        fitted = fit_style(joined(first))
        pair = (judge(speaker_style(joined(first).real), second), judge(fitted.style, second))
        rows.setdefault(f"{origin}, {'under' if seconds < SHORT else 'over'} {SHORT} s", []).append((*pair, fitted))
    for name, found in rows.items():
        kept = f"{sum(f.helps for *_, f in found)} tuned, {sum(f.responds for *_, f in found)} with response"
        sys.stdout.write(f"{name}: {len(found)} people, {kept}\n")
        for i, title in enumerate(("before", "after")):
            values = np.array([row[i] for row in found])
            cells = [f"{mean:6.3f}" for mean in values.mean(0)]
            spread = np.abs(np.log(values[:, 2:4])).mean(0)
            sys.stdout.write(f"  {title:7}{' '.join(cells)}  |log amplitude| {spread[0]:.3f} {spread[1]:.3f}\n")


if __name__ == "__main__":
    main()
