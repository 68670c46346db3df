"""A person whose mouth is given frame by frame; the footage goes on meanwhile."""

from collections import deque
from collections.abc import Iterator
from itertools import cycle
from math import ceil

import numpy as np

from lipwright import __version__, registry
from lipwright.avatar.avatar import Avatar
from lipwright.avatar.tuning import Tuning
from lipwright.compose.blend import paste
from lipwright.facespace import opening
from lipwright.media import Clip, Picture, prefetch
from lipwright.pipeline.analysis import Analysis, Play
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.finish import Finish
from lipwright.pipeline.job import load_avatar, open_models
from lipwright.pipeline.marks import area_of, drawn_with, layers_of, shaping
from lipwright.pipeline.staging import LEAST_TRUST, MADE_HERE, Aim, check_drawn, draw_aimed, fitting_renderer, trusted
from lipwright.pipeline.touch import Touch
from lipwright.progress import Progress
from lipwright.provenance.origin import UNKNOWN_FORMAT, Origin, Source, model_used, read_source
from lipwright.provenance.watermark import Watermark
from lipwright.render.bank import Wanted, choose_views, ring_shape
from lipwright.render.base import Patch, Renderer
from lipwright.runtime import Models
from lipwright.structures import MouthDrive

READ_AHEAD_S = 1.5  # of footage: backward play decodes a stretch at a time, and nothing comes meanwhile
PERIOD = 10**6  # frames of a photo brought to life that are wanted: all that there are


class Person:
    """Draws one mouth after another onto footage that has no end.

    Args:
        clip: the footage; a video plays forwards and backwards, a photo lives.
        options: see `DubOptions`.
        progress: told `("analyse", done, total)`.

    Attributes:
        avatar_key, avatar_reused: name of the analysis in the store, and whether it was there already.
        notes: what the user should know of how the footage was taken, one sentence each.
        origin: what the frames are made of.

    Raises:
        InputError: the footage or an option cannot be used.
        BackendError: a part of the engine is missing.
    """

    def __init__(self, clip: Clip, options: DubOptions, progress: Progress) -> None:
        self.notes = list(clip.notes)
        self._finish = Finish(options, clip.facts)
        models = open_models(options)
        found = load_avatar(clip, options, progress, self.notes, models=models)
        avatar, self.avatar_key, self.avatar_reused = found
        play, order = clip.pictures, _bounced(clip.facts.frames)
        if clip.facts.is_photo and not options.still:
            look = registry.resolve(ENGINES[options.engine].analysis)
            alive: Analysis = look(person=options.person, tracker=options.tracker, models=models)
            play, avatar, frames = alive.bring_alive(clip, avatar, PERIOD)
            order = cycle(range(frames))
        assert isinstance(avatar, Avatar)  # noqa: S101 - the native engine makes no other
        self._drawing = _Drawing(avatar)
        self._touch = Touch.of(options, avatar, clip, models, self.notes)
        self.origin = _origin(clip, options, models, avatar.tuning)
        size = clip.facts.width, clip.facts.height
        self._mark = Watermark(self.origin.mark_id(), *size) if options.marks else None
        self._frames = prefetch(_numbered(play, order), ceil(READ_AHEAD_S * clip.facts.fps))

    def draw(self, offsets: np.ndarray, number: int) -> np.ndarray:
        """The next frame. (H, W, 3) uint8 RGB.

        Args:
            offsets: (68, 3) float32, the mouth's displacement from its rest, see `MouthDrive`.
            number: of the frame, for what is shown at the beginning only.
        """
        source, planned = next(self._frames)
        patch = self._drawing.draw(self._touch.before(planned, source), source, offsets)
        if patch is None:
            return self._finish.over(planned, number).rgb
        patch = self._touch.after(planned, source, patch)
        picture = self._finish.over(paste(planned, patch.pixels, patch.mask, patch.x, patch.y), number).rgb
        return self._mark.over(picture, area_of([patch])) if self._mark is not None else picture

    def skip(self) -> None:
        """Leave the next frame out."""
        next(self._frames)

    def close(self) -> None:
        """Let go of the footage."""
        self._frames.close()


class _Drawing:
    """Staging without a plan: the look into the mouth is chosen by what was shown before, not by what will be."""

    def __init__(self, avatar: Avatar) -> None:
        self._drawable = avatar.trust >= LEAST_TRUST
        check_drawn(avatar, self._drawable)
        self._avatar, self._style = avatar, avatar.style
        self._shots = np.cumsum(avatar.track.cuts)
        self._renderer: Renderer = fitting_renderer(ENGINES["native"].renderer, MADE_HERE)(avatar.bank, avatar.teeth)
        self._view, self._shot = -1, -1  # of the frame before

    def draw(self, frame: Picture, source: int, offsets: np.ndarray) -> Patch | None:
        """One frame's mouth, None where it shows no face that can be given another."""
        if not self._drawable[source]:
            self._view = -1
            return None
        avatar, at = self._avatar, np.array([source])
        mouths = trusted(avatar, self._style.mouths(MouthDrive(offsets[None])), at)
        if self._shots[source] != self._shot:
            self._view, self._shot = -1, int(self._shots[source])
        wanted = Wanted(ring_shape(mouths), opening(mouths), avatar.angles(at), avatar.blur[at], np.zeros(1, bool))
        self._view = int(choose_views(avatar.bank, wanted, self._view)[0])
        aim = Aim(avatar.track.points[source], avatar.place(mouths, at)[0])
        return draw_aimed(self._renderer, frame, aim, self._view, avatar.blur[source])


def _bounced(frames: int) -> Iterator[int]:
    """Forwards and backwards for ever, turning frames not doubled, as of `plan_frames`."""
    return cycle((*range(frames), *range(frames - 2, 0, -1)))


def _numbered(play: Play, order: Iterator[int]) -> Iterator[tuple[int, Picture]]:
    """Frames with their numbers."""
    asked: deque[int] = deque()

    def told() -> Iterator[int]:
        for number in order:
            asked.append(number)
            yield number

    for picture in play(told()):
        yield asked.popleft(), picture


def _origin(clip: Clip, options: DubOptions, models: Models, tuning: Tuning | None) -> Origin:
    """What the frames are made of; the sound is not known yet and never will be as a file."""
    facts, engine = clip.facts, ENGINES[options.engine]
    names = (*engine.shipped, *engine.models, *Touch.needs(options))
    return Origin(
        software=f"lipwright {__version__}",
        engine=options.engine,
        models=tuple(model_used(name, models.sha256(name)) for name in names),
        video=read_source(facts.path, "photo" if facts.is_photo else "video"),
        audio=Source(kind="sound", sha256="", bytes=0, format=UNKNOWN_FORMAT),
        settings=shaping(options, clip) | drawn_with(tuning) | {"live": True},
        layers=layers_of(options, None),
    )
