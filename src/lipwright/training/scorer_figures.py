"""Measures a sync scorer on people it was not trained on, by set.

    python -m lipwright.training.scorer_figures CLIPS.npz SCORER.onnx [--held-out RECIPE.toml]

Pieces of 1.2 s and whole clips. AUC: how often the true pair scores above a false one, whose sound is 5 to 10
frames off, or another clip's of the set. Offsets: the clip's own (`late`) and known shifts of the sound against
what the scorer finds. A figure is a person's own, then the mean over people (the error: the median of medians).
"""

import argparse
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lipwright.audio.mel import RATE
from lipwright.evaluation.synchrony import (
    MOUTH_RATE,
    SLIDES,
    Towers,
    embedded,
    found_in,
    mouths_of,
    offset_curve,
    speech_rows,
)
from lipwright.runtime import load_onnxruntime
from lipwright.training.clips import TalkingClip, load
from lipwright.training.recipes import read_recipe
from lipwright.training.scorer import MOUTHS, WINDOW, Recipe

log = logging.getLogger(__name__)
NONE = len(SLIDES) // 2
FAR = np.abs(SLIDES) >= 10  # slides of 20 ms: five frames and more
SHIFTS = (-0.24, -0.12, 0.0, 0.12, 0.24)  # seconds that the sound is made late
FRAME_MS = 1000 / MOUTH_RATE
STRANGERS = 4  # wrong sounds a clip
PIECE = WINDOW - MOUTHS + 1  # vectors: 1.2 s of mouths


def towers_of(path: Path) -> Towers:
    """The towers of an ONNX file."""
    session = load_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(mouths: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, heard = session.run(None, {"mouth": mouths[None], "speech": rows[None]})
        return seen[0], heard[0]

    return run


def in_step(clip: TalkingClip, towers: Towers, sound: TalkingClip, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of a clip's mouths and of a sound, its own clip's offset taken out and `shift` seconds put in."""
    lead = round((sound.late - shift) * RATE)
    samples = sound.samples[lead:] if lead >= 0 else np.pad(sound.samples, (-lead, 0))
    return embedded(towers, mouths_of(clip.drive, float(clip.fps)), speech_rows(samples))


def pieces_of(seen: np.ndarray, length: int) -> list[np.ndarray]:
    """The vectors of a clip once for each piece of it, all others NaN."""
    parts = []
    for start in range(0, max(len(seen) - length, 0) + 1, length):
        part = np.full_like(seen, np.nan)
        part[start : start + length] = seen[start : start + length]
        parts.append(part)
    return parts


def auc(trues: list[float], falses: list[float]) -> float:
    """How often a true score is above a false one; NaN without both."""
    true, false = np.array(trues), np.array(falses)
    true, false = true[~np.isnan(true)], false[~np.isnan(false)]
    if not len(true) or not len(false):
        return float("nan")
    return float(((true[:, None] > false).mean() + (true[:, None] >= false).mean()) / 2)


@dataclass(slots=True)
class Scores:
    """One person's scores of true, shifted and strange pairs, confidences of true and strange ones, errors in ms."""

    true: list[float] = field(default_factory=list)
    shifted: list[float] = field(default_factory=list)
    strange: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    unsure: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, clip: TalkingClip, others: list[TalkingClip], towers: Towers, length: int | None) -> None:
        """Take in a clip, in pieces of `length` vectors or whole. `others`: clips whose sounds are wrong."""
        seen, heard = in_step(clip, towers, clip)
        strange = [in_step(clip, towers, other)[1] for other in others]
        sounds = [in_step(clip, towers, clip, shift)[1] for shift in SHIFTS]
        for part in pieces_of(seen, length or len(seen)):
            curve, wrong = offset_curve(part, heard), [offset_curve(part, sound) for sound in strange]
            self.true.append(curve[NONE])
            self.shifted += curve[FAR].tolist()
            self.strange += [w[NONE] for w in wrong]
            self.sure += [f.confidence for f in [found_in(curve)] if f is not None]
            self.unsure += [f.confidence for f in map(found_in, wrong) if f is not None]
            for shift, sound in zip(SHIFTS, sounds, strict=True):
                found = found_in(offset_curve(part, sound))
                self.errors += [] if found is None else [found.offset_ms + 1000 * shift]

    def figures(self) -> dict[str, float]:
        """This person's figures."""
        errors = np.array(self.errors)
        own = np.median(errors)
        return {
            "AUC, shifted": auc(self.true, self.shifted),
            "AUC, other sound": auc(self.true, self.strange),
            "AUC, confidence": auc(self.sure, self.unsure),
            "confidence": float(np.median(self.sure)),
            "of other sound": float(np.median(self.unsure)),
            "offset error, ms": float(np.median(np.abs(errors))),
            "within a frame": float(np.mean(np.abs(errors) <= FRAME_MS)),
            "own offset, ms": float(own),
            "within a frame of it": float(np.mean(np.abs(errors - own) <= FRAME_MS)),
        }


def by_person(clips: list[TalkingClip], towers: Towers, length: int | None) -> dict[str, Scores]:
    """Scores of everybody in a set; a clip's wrong sounds are those of other clips of the set."""
    rng = np.random.default_rng(0)
    people: dict[str, Scores] = {}
    for clip in clips:
        rest = [other for other in clips if other is not clip]
        others = [rest[pick] for pick in rng.permutation(len(rest))[:STRANGERS]]
        people.setdefault(clip.person, Scores()).add(clip, others, towers, length)
    return people


def summary(people: dict[str, Scores]) -> dict[str, str]:
    """Each figure as its mean over people (offset error: median), from three people on with a 95 % interval."""
    each = [scores.figures() for scores in people.values() if scores.sure and scores.shifted]
    rng, text = np.random.default_rng(0), {}
    for name in each[0]:
        middle = np.nanmedian if name == "offset error, ms" else np.nanmean
        values = np.array([figures[name] for figures in each])
        drawn = middle(values[rng.integers(len(values), size=(2_000, len(values)))], axis=1)
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        text[name] = f"{middle(values):.3g}" + (f" [{low:.3g} {high:.3g}]" if len(values) >= 3 else "")
    return text


def sets_of(clips: list[TalkingClip], held_out: tuple[str, ...]) -> dict[str, list[TalkingClip]]:
    """Clips to measure on: everybody of `use` test, or those a trial held out."""
    chosen = [clip for clip in clips if (clip.person in held_out if held_out else clip.use == "test")]
    sets = {origin: [c for c in chosen if c.origin == origin and c.confirmed] for origin in ("arabic_news", "grid")}
    wild = [clip for clip in chosen if clip.origin == "wild" and clip.confirmed]
    sets |= {"wild, confirmed": wild, "wild, in sync by two judges": [clip for clip in wild if clip.listed]}
    return {name: found for name, found in sets.items() if len(found) > 1}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("scorer", type=Path)
    parser.add_argument("--held-out", type=Path, help="the recipe whose held-out people are measured")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    held_out = read_recipe(Recipe, str(options.held_out)).held_out if options.held_out else ()
    towers = towers_of(options.scorer)
    for name, clips in sets_of(load(options.clips), held_out).items():
        for length, kind in ((PIECE, "pieces of 1.2 s"), (None, "whole clips")):
            people = by_person(clips, towers, length)
            log.info("%s, %s: %d clips, %d people", name, kind, len(clips), len(people))
            log.info("    %s", "; ".join(f"{title} {text}" for title, text in summary(people).items()))


if __name__ == "__main__":
    main()
