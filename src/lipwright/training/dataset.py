"""Clips to training batches: speech rows that look back and ahead, mouth coefficients beside them."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from lipwright.audio.features import listen
from lipwright.facespace import opening
from lipwright.structures import Sound, SpeechFeatures
from lipwright.training.clips import SOUND_RATE, TalkingClip
from lipwright.training.network import INPUTS, PAST, PHASES, STRIDE, rows_for
from lipwright.training.shape import offsets_of
from lipwright.training.sounds import disturb, no_voice
from lipwright.training.speech import SILENT, Utterance, utterances

SPEECH_RATE = 100
SILENT_ROW = np.array([-3.0] * (INPUTS - 1) + [-6.0], np.float32)
SHUT, APART = 0.015, 0.05  # opening, in eye distances, that counts as closed lips, and as open ones
UNSURE = 0.5  # of a closure: between the two, or where nobody can tell
REST_STEPS = 15  # from a sound on: nearer to it lips may be on their way
UNKNOWN_ROW = np.array([0.0] * (INPUTS - 1) + [-0.8], np.float32)


def speech_rows(speech: SpeechFeatures) -> np.ndarray:
    """What the network hears: bands and energy. (n, 81) float32."""
    return np.concatenate([speech.mel, speech.energy[:, None]], 1)


@dataclass(frozen=True, slots=True)
class Example:
    """A clip ready to be cut into windows.

    Args:
        clip: where it comes from.
        rows: variants of the same sound, each (n, 81) float16 at 100 Hz.
        targets: (F, K) float32, mouth coefficients at the clip's own frame rate.
        closed: (F,) float32, 1 where the lips are seen closed, 0 where open, `UNSURE` between.
        weight: how often it is drawn.
    """

    clip: TalkingClip
    rows: list[np.ndarray]
    targets: np.ndarray
    closed: np.ndarray
    weight: float


def examples_of(
    clips: list[TalkingClip],
    shape: dict[str, np.ndarray],
    shares: dict[str, float],
    *,
    variants: int,
    rng: np.random.Generator,
) -> list[Example]:
    """Prepare clips.

    Args:
        clips: what to learn from.
        shape: from `lipwright.training.motion.measure_shape`.
        shares: how often each origin is drawn.
        variants: how many disturbed copies of each sound are made.
        rng: for those.
    """
    persons = {key: list(group) for key, group in groupby(sorted(clips, key=_person), _person)}
    lengths = {origin: sum(len(c.drive) ** 0.7 for c in clips if c.origin == origin) for origin in shares}
    examples = []
    for clip in clips:
        before = persons[clip.person][rng.integers(len(persons[clip.person]))].samples
        rows = [_hear(clip.samples), _hear(clip.samples, before)]
        for i in range(variants):
            loud, prefix = disturb(clip.samples, before if i % 2 == 0 else before[:0], rng)
            rows.append(_hear(loud, prefix))
        flat = offsets_of(clip, shape["opening_direction"]).reshape(len(clip.drive), -1)
        targets = flat @ shape["basis"].reshape(len(shape["basis"]), -1).T
        targets = targets / shape["spread"] / person_gain(clip, float(shape["opening_spread"]))
        weight = shares[clip.origin] * len(clip.drive) ** 0.7 / lengths[clip.origin]
        examples.append(Example(clip, rows, targets.astype(np.float32), closed_lips(clip), weight))
    return examples


def closed_lips(clip: TalkingClip) -> np.ndarray:
    """Where a clip's lips are seen closed: 1, open: 0, neither for sure: `UNSURE`. (F,) float32."""
    opens = opening(clip.drive)
    least = min(float(np.percentile(opens, 5)), SHUT)  # what this face's tracker calls closed
    return np.where(opens - least < SHUT, 1, np.where(opens - least > APART, 0, UNSURE)).astype(np.float32)


def _person(clip: TalkingClip) -> str:
    return clip.person


def _hear(samples: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """Speech rows of a sound, as heard after another one by the same voice."""
    before = np.zeros(0, np.float32) if before is None else before
    lead = len(before) // 160
    both = np.concatenate([before[: lead * 160], samples])
    return speech_rows(listen(Sound(both, SOUND_RATE)))[lead:].astype(np.float16)


def person_gain(clip: TalkingClip, average_spread: float) -> float:
    """Liveliness of a clip against the average, drawn towards 1 for short clips."""
    sure = len(clip.drive) / (len(clip.drive) + 50)
    ratio = float(np.std(opening(clip.drive))) / average_spread
    return float(np.clip(np.exp(sure * np.log(max(ratio, 1e-3))), 0.5, 2.0))


@dataclass(slots=True)
class Batches:
    """Draws random windows of `steps` trunk steps (40 ms) each; deterministic for a seed."""

    examples: list[Example]
    size: int
    steps: int
    rng: np.random.Generator

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (B, T, 81), targets and closure (B, 2 steps, K + 1), mask (B, 2 steps), all float32."""
        weights = np.array([example.weight for example in self.examples])
        picks = self.rng.choice(len(weights), self.size, p=weights / weights.sum())
        windows = [self._window(self.examples[pick]) for pick in picks]
        rows, targets, mask = (np.stack(part) for part in zip(*windows, strict=True))
        return rows, targets, mask

    def _window(self, example: Example) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng, clip = self.rng, example.clip
        length = self.steps * STRIDE / SPEECH_RATE
        slack = len(clip.drive) / clip.fps - length
        start = rng.uniform(min(0.0, float(slack)), max(0.0, float(slack)))
        speed = rng.uniform(0.88, 1.14)
        ticks = np.arange(rows_for(self.steps)) - PAST
        seconds = start + speed * ticks / SPEECH_RATE
        pad = UNKNOWN_ROW if rng.random() < 0.7 else SILENT_ROW
        sound = example.rows[rng.integers(len(example.rows))]
        rows = _at(sound, (seconds + clip.late) * SPEECH_RATE, pad)
        outputs = np.arange(self.steps * PHASES) * STRIDE / PHASES
        frames = (start + speed * outputs / SPEECH_RATE) * float(clip.fps)
        inside = (frames >= 0) & (frames <= len(example.targets) - 1)
        known = np.column_stack([example.targets, example.closed])
        targets = _at(known, frames, np.zeros(known.shape[1], np.float32))
        return vary(rows, rng), targets, inside.astype(np.float32)


@dataclass(slots=True)
class SpokenBatches:
    """Draws random windows of synthetic speech, and of no speech, with the class of the phone at each output."""

    rows: list[np.ndarray]
    classes: list[np.ndarray]
    rests: list[np.ndarray]
    size: int
    steps: int
    rng: np.random.Generator

    @classmethod
    def make(cls, count: int, size: int, steps: int, rng: np.random.Generator) -> "SpokenBatches":
        """Speak `count` utterances, each heard in two rooms, and a quarter as many sounds that are no voice."""
        rows, classes, rests = [], [], []
        for said in utterances(count, int(rng.integers(1_000_000))):
            for paused in (False, True):
                samples, own = _with_pause(said, rng) if paused else (said.samples, said.classes(SPEECH_RATE))
                rows.append(_hear(disturb(samples, samples[:0], rng)[0]))
                classes.append(own)
                rests.append(_resting(own))
        for _ in range(count // 4):
            rows.append(_hear(no_voice(5 * SOUND_RATE, rng)))
            classes.append(np.full(5 * SPEECH_RATE, SILENT))
            rests.append(np.ones(5 * SPEECH_RATE, bool))
        return cls(rows, classes, rests, size, steps, rng)

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (B, T, 81) float32, classes (B, 2 steps) int64, and whether lips rest (B, 2 steps) bool."""
        windows = [self._window(int(self.rng.integers(len(self.rows)))) for _ in range(self.size)]
        rows, classes, rests = (np.stack(part) for part in zip(*windows, strict=True))
        return rows, classes, rests

    def _window(self, pick: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng, rows, last = self.rng, self.rows[pick], len(self.classes[pick]) - 1
        start = rng.uniform(-30, max(len(rows) - STRIDE * self.steps, 0) + 30)
        speed = rng.uniform(0.8, 1.2)
        at = start + speed * (np.arange(rows_for(self.steps)) - PAST)
        outputs = start + speed * np.arange(self.steps * PHASES) * STRIDE / PHASES
        index = np.round(outputs).astype(int)
        inside = (index >= 0) & (index <= last)
        index = np.clip(index, 0, last)
        classes = np.where(inside, self.classes[pick][index], SILENT)
        return vary(_at(rows, at, SILENT_ROW), rng), classes, self.rests[pick][index] & inside


def _with_pause(said: Utterance, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An utterance, a pause of 0.4 to 1.5 s with a breath or something else in it, and the utterance again."""
    classes = said.classes(SPEECH_RATE)
    steps = int(rng.uniform(0.4, 1.5) * SPEECH_RATE)
    quiet = no_voice(steps * SOUND_RATE // SPEECH_RATE, rng)
    quiet *= float(said.samples.std()) / max(float(quiet.std()), 1e-6) * np.float32(10 ** (-rng.uniform(8, 30) / 20))
    voice = np.pad(said.samples, (0, len(classes) * SOUND_RATE // SPEECH_RATE - len(said.samples)))
    return np.concatenate([voice, quiet, voice]), np.concatenate([classes, np.full(steps, SILENT), classes])


def _resting(classes: np.ndarray) -> np.ndarray:
    """Where nothing was said for `REST_STEPS` and nothing will be. (n,) to (n,) bool."""
    spoken = np.convolve(classes != SILENT, np.ones(2 * REST_STEPS + 1), "same")
    return spoken < 0.5


def _at(values: np.ndarray, index: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Rows of `values` at fractional indices, linearly; `outside` beyond the ends. (T, C) float32."""
    low = np.clip(np.floor(index).astype(int), 0, len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    part = (index - low).astype(np.float32)[:, None]
    mixed = values[low] * (1 - part) + values[high] * part
    beyond = (index < -0.5) | (index > len(values) - 0.5)
    return np.where(beyond[:, None], outside, mixed).astype(np.float32)


def vary(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another voice: formants up to 12 % apart, a tilt, masked bands and moments. (T, 81)."""
    mel, energy = rows[:, :-1], rows[:, -1:]
    bands = mel.shape[1]
    source = np.clip(np.arange(bands) * rng.uniform(0.89, 1.12), 0, bands - 1.001)
    low = source.astype(int)
    part = (source - low).astype(np.float32)
    mel = mel[:, low] * (1 - part) + mel[:, low + 1] * part
    knots = rng.normal(0, 0.2, 5)
    mel = mel + np.interp(np.linspace(0, 4, bands), np.arange(5), knots).astype(np.float32)
    first, wide = rng.integers(bands), rng.integers(12)
    mel[:, first : first + wide] = 0
    if rng.random() < 0.5:
        at, long = rng.integers(len(mel)), rng.integers(8)
        mel[at : at + long] = 0
    energy = energy * rng.uniform(0.9, 1.1) + rng.normal(0, 0.15)
    return np.concatenate([mel, energy], 1).astype(np.float32)
