"""The engines: one row each, names of backends that the stages' own tables resolve."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What an engine is made of.

    Args:
        models: published models it cannot do without, by the names on their cards.
        shipped: weights of this package that it draws with, likewise.
        analysis: "module:class" that looks at footage, see `lipwright.pipeline.analysis.Analysis`.
        features: "module:function" that opens what turns blocks of samples into the features its motion hears.
        sound_rate: samples per second of those blocks.
        motion: row of `lipwright.motion.base.MOTIONS`.
        renderer: row of `lipwright.render.base.RENDERERS`.
        stage: "module:class" that joins avatar, motion and renderer, see `lipwright.pipeline.staging.Staging`.
        ignores: options that mean nothing to it; a job that sets one is refused.
    """

    models: tuple[str, ...] = ()
    shipped: tuple[str, ...] = ()
    analysis: str
    features: str
    sound_rate: int
    motion: str
    renderer: str
    stage: str
    ignores: tuple[str, ...] = ()


ENGINES = {
    "native": Engine(
        shipped=("mouth_motion", "mouth_shape"),
        analysis="lipwright.pipeline.analysis:MeshAnalysis",
        features="lipwright.audio.features:open_ears",
        sound_rate=16000,
        motion="mouth",
        renderer="warp",
        stage="lipwright.pipeline.staging:MouthStaging",
        ignores=("batch_size",),
    ),
    "heygem": Engine(
        models=("scrfd", "pfpld", "head_pose", "wenet", "dinet_v1"),
        analysis="lipwright.pipeline.analysis:LandmarkAnalysis",
        features="lipwright.audio.wenet:open_ears",
        sound_rate=16000,
        motion="window",
        renderer="dinet",
        stage="lipwright.pipeline.windows:WindowStaging",
        ignores=("intensity",),
    ),
}
