"""The engines: one row each, names of backends that the stages' own tables resolve."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """What an engine is made of.

    Args:
        features: "module:function" from blocks of samples to the features its motion hears, piece by piece.
        sound_rate: samples per second that function wants.
        motion: row of `lipwright.motion.base.MOTIONS`.
        renderer: row of `lipwright.render.base.RENDERERS`.
        stage: "module:class" that joins avatar, motion and renderer, see `lipwright.pipeline.staging.Staging`.
    """

    features: str
    sound_rate: int
    motion: str
    renderer: str
    stage: str


ENGINES = {
    "native": Engine(
        features="lipwright.audio.features:hear",
        sound_rate=16000,
        motion="mouth",
        renderer="warp",
        stage="lipwright.pipeline.staging:MouthStaging",
    ),
}
