"""U4, U12, U16, U17 and half of U20: the generator's checkpoint, and what sound does to its drawing."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lipwright.checkpoints.reading import load_torch
from lipwright.doctor.verify.case import Case, Seen, better
from lipwright.doctor.verify.files import refused

if TYPE_CHECKING:
    from torch import Tensor

NAME = "dinet_v1"
ROWS, COLUMNS = (86, 251), (37, 217)  # first and last hidden row and column of input_mask (unverified)
WH = 0.97  # (unverified)
PARAMETERS, ENTRIES = 97_747_203, 416  # of the published generator
KEYS = {"model_name", "model_input_size", "model_ngf", "face_G", "input_mask", "input_mask_re", "nblend", "wh",
        "fuse_mask"}  # fmt: skip
OUTSIDE, INSIDE = 0.0045, 0.0435  # mean difference of output and input, outside and inside the rectangle (unverified)
LEAST = 0.001  # of 0..1: a smaller difference does not tell one range from another
WINDOWS = 4  # of speech, drawn at a time
DRIVES = 2.0  # times that sound must change the mouth more than the rest
STIRS = 0.002  # of 0..1: a change of the mouth under which sound does nothing
HALF_APART = 0.02  # of 0..1: as far as float16 may lie from PyTorch's float32


def contents(case: Case) -> list[Seen]:
    """U4: what lies beside the weights."""
    stored = case.stored
    keys = {str(key) for key in stored}
    size = stored.get("model_output_size")
    return [
        Seen(
            part="keys",
            measured=_listed(keys),
            expected=f"{_listed(KEYS)}; model_output_size may be there",
            agrees=keys - {"model_output_size"} == KEYS,
        ),
        _rectangle(stored),
        _whole(stored),
        Seen(part="fuse_mask", measured=_array(stored.get("fuse_mask")), expected="two axes; not used", agrees=None),
        Seen(
            part="wh",
            measured=str(stored.get("wh", "absent")),
            expected=f"{WH}",
            agrees="wh" in stored and abs(float(stored["wh"]) - WH) < 1e-6,
            constant="lipwright.render.dinet_network:USUAL_WH",
        ),
        Seen(
            part="nblend",
            measured=str(stored.get("nblend", "absent")),
            expected="True; no effect while input_mask_re is 1",
            agrees=bool(stored.get("nblend", False)),
        ),
        Seen(
            part="model_output_size",
            measured="absent" if size is None else str(size),
            expected="unknown; the generator gives 256 x 256",
            agrees=None,
        ),
    ]


def _rectangle(stored: dict[str, Any]) -> Seen:
    mask = _plain(stored.get("input_mask"))
    return Seen(
        part="input_mask",
        measured=_array(mask),
        expected=f"0 in all of rows {ROWS[0]}..{ROWS[1]}, columns {COLUMNS[0]}..{COLUMNS[1]}, 1 elsewhere; "
        "the file's own mask is used",
        agrees=mask is not None and np.array_equal(mask.squeeze(), _expected_mask()),
    )


def _expected_mask() -> np.ndarray:
    mask = np.ones((256, 256), bool)
    mask[ROWS[0] : ROWS[1] + 1, COLUMNS[0] : COLUMNS[1] + 1] = False
    return mask


def _whole(stored: dict[str, Any]) -> Seen:
    mask = _plain(stored.get("input_mask_re"))
    return Seen(
        part="input_mask_re",
        measured=_array(mask),
        expected="1 everywhere; the file's own mask is used",
        agrees=mask is not None and bool((mask == 1).all()),
    )


def keys(case: Case) -> Seen:
    """U12: whether all keys and shapes are those of our network."""
    expected = f"{PARAMETERS:,} parameters in {ENTRIES} entries, model_ngf 64"
    why = refused(case, NAME)
    if why:
        return Seen(measured=why, expected=expected, agrees=False)
    parameters = sum(each.numel() for each in case.generator.generator.parameters())
    entries = len(case.stored["face_G"])
    return Seen(
        measured=f"all keys and shapes match: {parameters:,} parameters in {entries} entries, "
        f"model_ngf {case.stored.get('model_ngf', 'absent')}",
        expected=expected,
        agrees=(parameters, entries) == (PARAMETERS, ENTRIES),
    )


def conversion(case: Case) -> Seen:
    """U12: whether the file that the engine runs draws what PyTorch draws."""
    windows = _speech(case)[:1]
    apart = float(np.abs(_drawn(case, case.inner, windows) - _in_torch(case, windows)).max())
    return Seen(
        measured=f"largest difference {apart:.2g} of 0..1 on {case.models.device.name}",
        expected=f"under {HALF_APART}",
        agrees=apart < HALF_APART,
    )


def scale(case: Case) -> Seen:
    """U16: with which range of the input the network leaves alone what it sees."""
    shown, windows = _shown(case), _speech(case)[:1]
    results = []
    for fed in (case.inner, 2 * case.inner - 1):
        apart = np.abs(_drawn(case, fed, windows) - case.inner).mean((0, 1))
        results.append((float(apart[shown].mean()), float(apart[~shown].mean())))
    (outside, inside), (other, _) = results
    return Seen(
        measured=f"output differs from the picture outside the rectangle by {outside:.4f} fed 0..1, by {other:.4f} fed "
        f"-1..1; inside by {inside:.4f} fed 0..1",
        expected=f"less with 0..1: about {OUTSIDE} outside, {INSIDE} inside; by less than {LEAST} it does not tell",
        agrees=better(-outside, -other, LEAST),
    )


def drive(case: Case) -> Seen:
    """U17: whether sound moves the mouth, and the mouth alone."""
    speech = _speech(case)
    inner = np.repeat(case.inner, len(speech), 0)
    loud, silent = _drawn(case, inner, speech), _drawn(case, inner, _silence(case, len(speech)))
    inside, outside = _changes(case, loud, silent)
    return Seen(
        measured=f"between silence and speech the drawing changes by {inside:.4f} inside the rectangle, by "
        f"{outside:.4f} outside",
        expected=f"over {STIRS} inside, and {DRIVES:g} times as much as outside",
        agrees=inside > STIRS and inside > DRIVES * outside,
    )


def gain(case: Case) -> Seen:
    """U20: how far sound moves the mouth with both factors; which one is right only a picture of the original tells."""
    windows = [_speech(case)[:1], _silence(case, 1)]
    told = []
    for factor in (1.0, 1.5):
        loud, silent = (_in_torch(case, each, factor) for each in windows)
        inside, outside = _changes(case, loud, silent)
        told.append(f"{inside:.4f} inside and {outside:.4f} outside with {factor}")
    return Seen(
        measured=f"between silence and speech the drawing changes by {', by '.join(told)}",
        expected="only told, as it needs a picture by the original to compare; "
        "lipwright.render.dinet_network:AUDIO_GAIN is 1.5",
        agrees=None,
    )


def _drawn(case: Case, inner: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """What the engine's own network makes of it, (B, 3, 256, 256)."""
    return case.models.network(NAME).run(inner, windows)[0]


def _in_torch(case: Case, windows: np.ndarray, factor: float | None = None) -> np.ndarray:
    """What the checkpoint makes of the picture in PyTorch, with another factor of the audio code where one is given."""
    from lipwright.render.dinet_network import AUDIO_GAIN

    torch, share = load_torch(), (factor or AUDIO_GAIN) / AUDIO_GAIN

    def scaled(_module: object, _fed: object, code: "Tensor") -> "Tensor":
        return code * share

    hook = case.generator.get_submodule("generator.audio_encoder").register_forward_hook(scaled)
    try:
        with torch.inference_mode():
            return case.generator(torch.from_numpy(case.inner), torch.from_numpy(windows)).numpy()
    finally:
        hook.remove()


def _speech(case: Case) -> np.ndarray:
    """Windows of the louder half of the bundled speech, the loudest first. (4, 256, 20) float32."""
    power = np.convolve(case.samples**2, np.ones(12_800), "valid")[::640]  # of 0.8 s from there on, 25 a second
    loud = np.argsort(-power[: len(case.heard) - 30], kind="stable")[: len(power) // 2]
    starts = loud[np.linspace(0, len(loud) - 1, WINDOWS).astype(int)]
    # Features begin 0.4 s before the sound.
    return np.stack([case.heard[start + 10 : start + 30].T for start in starts])


def _silence(case: Case, count: int) -> np.ndarray:
    rows = case.hear(np.zeros(32_000, np.float32))
    return np.repeat(rows[20:40].T[None], count, 0)


def _shown(case: Case) -> np.ndarray:
    """What the network sees, (256, 256) bool: by input_mask, or as expected where there is only a user's own export."""
    if not case.models.store.has(NAME):
        return _expected_mask()
    return case.generator.source_mask.numpy() > 0


def _changes(case: Case, one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean difference inside and outside the hidden rectangle."""
    apart, shown = np.abs(one - other).mean((0, 1)), _shown(case)
    return float(apart[~shown].mean()), float(apart[shown].mean())


def _plain(value: Any) -> np.ndarray | None:  # noqa: ANN401 - whatever the checkpoint holds
    return None if value is None else np.asarray(value)


def _array(value: Any) -> str:  # noqa: ANN401
    """Shape, dtype, range, and where the zeros are."""
    if value is None:
        return "absent"
    array = np.asarray(value)
    told = f"{array.shape} {array.dtype}, {array.min():g}..{array.max():g}"
    flat = array.squeeze()
    if flat.ndim != 2 or not (flat == 0).any():
        return f"{told}, no zeros"
    rows, columns = np.nonzero(flat == 0)
    return (
        f"{told}, {len(rows):,} zeros ({len(rows) / flat.size:.1%}) within rows {rows.min()}..{rows.max()}, "
        f"columns {columns.min()}..{columns.max()}"
    )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
