"""A run that stops and goes on ends where an unbroken one does; a checkpoint of another run is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.test_motion_training import talking  # noqa: E402

from lipwright.errors import InputError, OptionError, OutputError  # noqa: E402
from lipwright.training import dataset, device, loop  # noqa: E402
from lipwright.training.checkpoint import Checkpoint  # noqa: E402
from lipwright.training.clips import fingerprint  # noqa: E402
from lipwright.training.dataset import Example, examples_of  # noqa: E402
from lipwright.training.motion import Recipe, measure_shape, trainable  # noqa: E402
from lipwright.training.speech import Utterance  # noqa: E402

pytestmark = pytest.mark.torch
RECIPE = Recipe(steps=6, batch=4, channels=16, variants=1, coefficients=4, window=10, utterances=2, spoken_batch=16)


@pytest.fixture(scope="module")
def material() -> tuple[list[Example], dict[str, np.ndarray]]:
    clips = [talking(i, origin) for i, origin in enumerate(["arabic_news", "grid", "wild"] * 2)]
    shape = measure_shape(clips, RECIPE)
    rng = np.random.default_rng(RECIPE.seed)
    return examples_of(clips, shape, RECIPE.shares, variants=1, rng=rng), shape


@pytest.fixture(autouse=True)
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech made of noise, so that no synthesiser is needed."""

    def made(count: int, seed: int) -> list[Utterance]:
        rng = np.random.default_rng(seed)
        phones = [("m", 0.0, 0.5), ("a", 0.5, 1.0), ("s", 1.0, 1.5)]
        return [Utterance(rng.normal(0, 0.1, 24_000).astype(np.float32), phones) for _ in range(count)]

    monkeypatch.setattr(dataset, "utterances", made)


class Stop(Exception):
    """Somebody pulled the plug."""


def stop_at(step: int):
    def told(_: str, done: int, __: int | None) -> None:
        if done == step:
            raise Stop

    return told


def test_a_resumed_run_ends_like_an_unbroken_one(material, tmp_path: Path) -> None:
    unbroken = loop.train(*material, RECIPE)
    kept = Checkpoint(path=tmp_path / "checkpoint.pt", recipe=RECIPE, data="x", device="cpu", every=2)
    for step in (3, 5):
        with pytest.raises(Stop):
            loop.train(*material, RECIPE, checkpoint=kept, progress=stop_at(step))
    told: list[int] = []
    resumed = loop.train(*material, RECIPE, checkpoint=kept, progress=lambda _, done, __: told.append(done))
    assert told == [5, 6]
    for name, value in unbroken.net.state_dict().items():
        torch.testing.assert_close(resumed.net.state_dict()[name], value, rtol=0, atol=0)
    forget = {"seconds": 0.0}
    assert [row | forget for row in resumed.history] == [row | forget for row in unbroken.history]
    assert not list(tmp_path.glob(".*"))  # nothing half-written


def test_a_checkpoint_of_another_run_is_refused(material, tmp_path: Path) -> None:
    kept = Checkpoint(path=tmp_path / "checkpoint.pt", recipe=RECIPE, data="x", device="cpu", every=2)
    loop.train(*material, RECIPE, checkpoint=kept)
    with pytest.raises(InputError, match="batch was 4, is 8"):
        replace(kept, recipe=replace(RECIPE, batch=8)).load()
    with pytest.raises(InputError, match="another data"):
        replace(kept, data="y").load()
    with pytest.raises(InputError, match="another device"):
        replace(kept, device="cuda").load()
    kept.path.write_bytes(kept.path.read_bytes()[:1000])
    with pytest.raises(InputError, match="remove it to start anew"):
        kept.load()


def test_a_checkpoint_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = Checkpoint(path=tmp_path / "file" / "checkpoint.pt", recipe=RECIPE, data="x", device="cpu")
    with pytest.raises(OutputError, match="cannot be written"):
        kept.save({"done": 1})


def test_a_smaller_share_of_the_people_is_part_of_a_larger_one() -> None:
    clips = [replace(talking(i, "wild"), person=f"p{i // 2}") for i in range(12)]
    chosen = [{clip.person for clip in trainable(clips, Recipe(people_share=share))} for share in (0.25, 0.5, 1.0)]
    assert [len(people) for people in chosen] == [2, 3, 6]
    assert chosen[0] < chosen[1] < chosen[2]
    assert len(trainable(clips, Recipe(people_share=0.5))) == 6


def test_the_fingerprint_knows_offset_and_sound() -> None:
    clip = talking(0, "wild")
    prints = {fingerprint([c]) for c in (clip, replace(clip, late=0.02), replace(clip, samples=clip.samples[1:]))}
    assert len(prints) == 3


def test_devices() -> None:
    assert device.choose("cpu").type == "cpu"
    with pytest.raises(OptionError, match="auto, cpu, cuda"):
        device.choose("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="sees no GPU"):
            device.choose("cuda")
