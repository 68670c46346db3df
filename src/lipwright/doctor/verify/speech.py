"""U6, U7 and half of U20: the speech encoder's checkpoint and what it makes of sound."""

from collections import Counter

import numpy as np

from lipwright.audio.wenet import (
    HOP,
    PADDING,
    PIECE_FRAMES,
    PIECE_ROWS,
    ROWS_PER_FRAME,
    ROWS_SEEN,
    SHORT_TAIL,
    frames_of,
    hear,
)
from lipwright.doctor.verify.case import Case, Seen
from lipwright.doctor.verify.files import refused

NAME = "wenet"
PARAMETERS = 35_040_768  # of the encoder with 12 blocks of 2048
LOW, HIGH = -0.54, 0.58  # range of features (unverified)
ABOUT = 0.25  # how far the ends of the range may lie from that
TAIL = 12  # frames that the short tail shall have: about half a second
NEAR = 0.5  # of the features' spread: a tail so near to one pass over all is the same speech


def parts(case: Case) -> list[Seen]:
    """U6: what the checkpoint holds, and whether the encoder is ours."""
    from lipwright.checkpoints.reading import read_checkpoint

    stored = read_checkpoint(case.models.store.path(NAME), NAME)
    names = [str(key).removeprefix("module.") for key in stored]
    counts = Counter(name.partition(".")[0] for name in names)
    blocks = {name.split(".")[2] for name in names if name.startswith("encoder.encoders.")}
    macaron, linear = (sum(part in name for name in names) for part in (".feed_forward_macaron.", ".concat_linear."))
    return [
        Seen(
            part="keys",
            measured=", ".join(f"{count} {name}" for name, count in sorted(counts.items())),
            expected="encoder, used, with decoder and ctc, left out",
            agrees=counts["encoder"] > 0,
        ),
        Seen(
            part="macaron and concat_linear",
            measured=f"{macaron} and {linear} entries in {len(blocks)} blocks",
            expected="4 and 2 in every one of 12 blocks",
            agrees=(macaron, linear, len(blocks)) == (48, 24, 12),
        ),
    ]


def keys(case: Case) -> Seen:
    """U6: whether all keys and shapes are those of our network."""
    expected = f"{PARAMETERS:,} parameters in 12 blocks"
    why = refused(case, NAME)
    if why:
        return Seen(measured=why, expected=expected, agrees=False)
    parameters = sum(each.numel() for each in case.encoder.parameters())
    return Seen(
        measured=f"all keys and shapes match: {parameters:,} parameters in {len(case.encoder.encoders)} blocks",
        expected=expected,
        agrees=parameters == PARAMETERS,
    )


def tail(case: Case) -> Seen:
    """U7: a tail of half a second behind a piece, by both rules, against one pass over the whole sound."""
    rows = (PIECE_FRAMES + TAIL - 1) * ROWS_PER_FRAME + ROWS_SEEN
    sound = np.resize(case.samples, (rows - 1) * HOP - 2 * PADDING)
    given: list[np.ndarray] = []

    def listening(mel: np.ndarray) -> np.ndarray:
        given.append(mel)
        return case.ears(mel)

    kept = np.concatenate(list(hear([sound], listening)))[PIECE_FRAMES:]
    whole = case.ears(np.concatenate([given[0][:PIECE_ROWS], given[1]])[:rows])
    apart = float(np.abs(kept - whole[PIECE_FRAMES:]).mean() / max(whole.std(), 1e-9))
    second = SHORT_TAIL // HOP
    filled = max(0, frames_of(max(rows - PIECE_ROWS, second)) - second // ROWS_PER_FRAME)
    return Seen(
        measured=f"a second appended: {len(kept)} of {TAIL} frames, {apart:.3f} of the features' spread from one pass; "
        f"filled up to a second: {filled} of {TAIL} frames",
        expected=f"a second appended keeps all frames, under {NEAR} from one pass (which rule the original follows "
        "only a dump of its features tells)",
        agrees=len(kept) == TAIL and apart < NEAR,
        constant="lipwright.audio.wenet:SHORT_TAIL",
    )


def spread(case: Case) -> Seen:
    """U20: the range of features."""
    low, high = float(case.heard.min()), float(case.heard.max())
    return Seen(
        measured=f"{low:.2f}..{high:.2f} for the bundled speech",
        expected=f"about {LOW}..{HIGH}, with attention over the whole piece",
        agrees=abs(low - LOW) < ABOUT and abs(high - HIGH) < ABOUT,
    )
