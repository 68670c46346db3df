"""Two steps of the motion training on clips made of arithmetic, from clips to ONNX."""

import tomllib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from lipwright.facespace import DRIVE, opening  # noqa: E402
from lipwright.models.catalog import cards  # noqa: E402
from lipwright.training import export, loop, motion  # noqa: E402
from lipwright.training.clips import TalkingClip, fingerprint, load, save  # noqa: E402
from lipwright.training.dataset import UNSURE, Batches, closed_lips, examples_of  # noqa: E402
from lipwright.training.network import FUTURE, INPUTS, PAST, STRIDE, MotionNet, rows_for  # noqa: E402
from lipwright.training.shape import mirror_of, mirrored  # noqa: E402
from lipwright.training.sounds import disturb, no_voice  # noqa: E402

pytestmark = pytest.mark.torch
RATE = 16_000


def mean_mouth() -> np.ndarray:
    """Points left and right of the middle in pairs that the mesh's order implies."""
    rng = np.random.default_rng(3)
    mouth = np.zeros((len(DRIVE), 3), np.float32)
    middle = [DRIVE.index(i) for i in (17, 0, 14, 13, 152, 18, 200, 199, 175)]
    pairs = [
        (61, 291), (146, 375), (91, 321), (181, 405), (84, 314), (185, 409), (40, 270), (39, 269),
        (37, 267), (78, 308), (95, 324), (88, 318), (178, 402), (87, 317), (191, 415), (80, 310),
        (81, 311), (82, 312), (148, 377), (176, 400), (149, 378), (150, 379), (136, 365),
        (172, 397), (83, 313), (182, 406), (194, 418), (205, 425), (57, 287),
    ]  # fmt: skip
    pairs += [(164, 164)]
    for left, right in pairs:
        x, y, z = rng.uniform(0.1, 0.5), rng.uniform(0.3, 1), rng.uniform(-0.1, 0.1)
        mouth[DRIVE.index(left)], mouth[DRIVE.index(right)] = (-x, y, z), (x, y, z)
    for at in middle:
        mouth[at] = (0, rng.uniform(0.3, 1), rng.uniform(-0.1, 0.1))
    mouth[DRIVE.index(164)] = (0, 0.2, 0)
    mouth[DRIVE.index(13)], mouth[DRIVE.index(14)] = (0, 0.6, 0), (0, 0.603, 0)
    return mouth


def talking(seed: int, origin: str) -> TalkingClip:
    """Two seconds of noise whose loudness opens the mouth."""
    rng = np.random.default_rng(seed)
    at = np.arange(2 * RATE) / RATE
    loud = 0.5 - 0.5 * np.cos(2 * np.pi * (2 + seed % 3) * at)
    samples = (0.2 * loud * rng.normal(0, 1, len(at))).astype(np.float32)
    frames = loud[:: RATE // 25]
    drive = np.tile(mean_mouth(), (len(frames), 1, 1))
    lower = [DRIVE.index(i) for i in (14, 17, 87, 317, 152)]
    drive[:, lower, 1] += 0.1 * frames[:, None].astype(np.float32)
    drive[:, 0, 0] += 0.02 * frames
    drive[:, 10, 0] -= 0.02 * frames
    drive += rng.normal(0, 0.002, drive.shape).astype(np.float32)
    return TalkingClip(
        name=f"clip{seed}", person=f"p{seed}", origin=origin, use="train", fps=Fraction(25),
        drive=drive, samples=samples, confirmed=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def clips() -> list[TalkingClip]:
    return [talking(i, origin) for i, origin in enumerate(["arabic_news", "grid", "wild"] * 2)]


@pytest.fixture(scope="module")
def recipe() -> motion.Recipe:
    return motion.Recipe(steps=2, batch=4, channels=16, variants=1, coefficients=4, window=10)


def test_clips_survive_the_disk(clips: list[TalkingClip], tmp_path: Path) -> None:
    save(tmp_path / "clips.npz", clips)
    for before, after in zip(clips, load(tmp_path / "clips.npz"), strict=True):
        assert (before.name, before.fps, before.late) == (after.name, after.fps, after.late)
        np.testing.assert_allclose(after.drive, before.drive, atol=1e-3)
        np.testing.assert_allclose(after.samples, before.samples, atol=1e-4)
    once = load(tmp_path / "clips.npz")
    save(tmp_path / "again.npz", once)
    assert fingerprint(load(tmp_path / "again.npz")) == fingerprint(once)


def test_only_confirmed_training_clips_are_trained_on(clips: list[TalkingClip]) -> None:
    from dataclasses import replace

    odd = [
        replace(clips[0], use="test"),
        replace(clips[0], confirmed=False),
        replace(clips[0], person="held"),
        replace(clips[2], person="grid_copy"),
    ]
    recipe = motion.Recipe(held_out=("held",))
    assert motion.trainable(clips + odd, recipe) == clips


def test_the_mirror_swaps_left_and_right(clips: list[TalkingClip]) -> None:
    mirror = mirror_of(np.concatenate([clip.drive for clip in clips]))
    assert DRIVE[mirror[DRIVE.index(61)]] == 291
    offsets = np.random.default_rng(0).normal(0, 1, (3, 68, 3)).astype(np.float32)
    np.testing.assert_array_equal(mirrored(mirrored(offsets, mirror), mirror), offsets)


def test_the_shape_knows_how_mouths_open(clips: list[TalkingClip], recipe: motion.Recipe) -> None:
    shape = motion.measure_shape(clips, recipe)
    assert shape["basis"].shape == (4, 68, 3)
    np.testing.assert_allclose(shape["basis"].reshape(4, -1) @ shape["basis"].reshape(4, -1).T, np.eye(4), atol=1e-4)
    assert opening(shape["opening_direction"]) == pytest.approx(1, abs=0.1)


def test_a_network_step_sees_its_window_and_no_more() -> None:
    torch.manual_seed(0)
    net = MotionNet(4, 16).eval()
    rows = torch.randn(1, rows_for(12), INPUTS)
    before = net(rows).detach()
    assert before.shape == (1, 24, 4)
    changed = rows.clone()
    changed[:, STRIDE * 5 + PAST + FUTURE + 1 :] += 1  # beyond what step 5 may hear
    changed[:, : STRIDE * 5] += 1
    after = net(changed).detach()
    torch.testing.assert_close(after[:, 10:12], before[:, 10:12])
    assert not torch.allclose(after[:, 12:], before[:, 12:])


def test_batches_line_up_sound_and_mouth(clips: list[TalkingClip], recipe: motion.Recipe) -> None:
    shape = motion.measure_shape(clips, recipe)
    rng = np.random.default_rng(0)
    examples = examples_of(clips, shape, recipe.shares, variants=1, rng=rng)
    rows, targets, mask = Batches(examples, 8, 30, rng).draw()
    assert (rows.shape, targets.shape, mask.shape) == ((8, rows_for(30), 81), (8, 60, 5), (8, 60))
    energy = rows[:, PAST : PAST + 30 * STRIDE : STRIDE // 2, -1]
    known = mask > 0
    assert np.corrcoef(energy[known], np.abs(targets[..., 0][known]))[0, 1] > 0.4


def test_disturbed_sound_keeps_its_length() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 5_000).astype(np.float32)
    loud, prefix = disturb(sound, sound[:1_000], rng)
    assert (len(loud), len(prefix), loud.dtype) == (5_000, 1_000, np.float32)
    assert np.abs(loud).max() <= 1


def test_closed_lips_are_told_from_open_ones_and_the_rest_is_left_open(clips: list[TalkingClip]) -> None:
    clip = clips[0]
    opens, closed = opening(clip.drive), closed_lips(clip)
    assert set(np.unique(closed)) <= {0, UNSURE, 1}
    assert opens[closed == 1].max() < opens[closed == 0].min()


def test_sounds_that_are_no_voice_are_sounds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        made = no_voice(8_000, rng)
        assert made.dtype == np.float32
        assert 0.005 < np.abs(made).max() <= 0.51


def test_two_steps_of_training_and_the_export_agree(
    clips: list[TalkingClip], recipe: motion.Recipe, tmp_path: Path
) -> None:
    shape = motion.measure_shape(clips, recipe)
    rng = np.random.default_rng(recipe.seed)
    examples = examples_of(clips, shape, recipe.shares, variants=recipe.variants, rng=rng)
    net = loop.train(examples, shape, recipe).net
    np.savez(tmp_path / "shape.npz", **shape)
    torch.save(net.state_dict(), tmp_path / "network.pt")
    np.savez(tmp_path / "gain.npz", mean=np.ones(4, "f4"), gain=np.full(4, 2, "f4"))
    model, _ = export.calibrated(tmp_path)
    session = onnxruntime.InferenceSession(export.to_onnx(model))
    for steps in (1, 7):
        rows = torch.randn(2, rows_for(steps), INPUTS)
        with torch.inference_mode():
            wanted = model(rows)
        got = session.run(None, {"speech": rows.numpy()})
        assert [part.shape for part in got] == [(2, 2 * steps, 4), (2, 2 * steps)]
        for made, expected in zip(got, wanted, strict=True):
            np.testing.assert_allclose(made, expected.numpy(), atol=1e-5)


def test_training_is_repeatable(clips: list[TalkingClip], recipe: motion.Recipe) -> None:
    shape = motion.measure_shape(clips, recipe)
    nets = []
    for _ in range(2):
        rng = np.random.default_rng(recipe.seed)
        examples = examples_of(clips, shape, recipe.shares, variants=1, rng=rng)
        nets.append(loop.train(examples, shape, recipe).net.state_dict())
    for name, value in nets[0].items():
        torch.testing.assert_close(value, nets[1][name])


def test_a_row_is_read_as_the_catalog_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"weights")
    (row,) = tomllib.loads(export.card("mine", path, "here", ["in"], ["out"]))["model"]
    shipped = cards()["mouth_motion"]
    assert {name: type(value) for name, value in row.items()} == {
        name: list if isinstance(getattr(shipped, name), tuple) else type(getattr(shipped, name)) for name in row
    }
    assert row["commercial"] == shipped.commercial


def test_cards_of_others_stay_in_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    manifest.write_text('# Cards.\n\n[[model]]\nname = "other"\n\n[[model]]\nname = "mine"\nold = 1\n')
    export.replace_cards(manifest, {"mine": '[[model]]\nname = "mine"\nnew = 1\n'})
    text = manifest.read_text()
    assert text.startswith("# Cards.")
    assert 'name = "other"' in text
    assert "new = 1" in text
    assert "old" not in text
