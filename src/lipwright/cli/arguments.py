"""Options that several commands share, named as users of other lip-sync tools write them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.errors import OptionError

if TYPE_CHECKING:
    from lipwright.pipeline import executor

Video = Annotated[
    Path,
    typer.Option("--video", "--video_path", "--source_path", "--face", help="A video or photo of the person."),
]
VideoOrUrl = Annotated[
    str,
    typer.Option(
        "--video", "--video_path", "--source_path", "--face", help="A video or photo of the person: a path, or a URL."
    ),
]
AudioOrUrl = Annotated[
    str,
    typer.Option(
        "--audio", "--audio_path", help="What the person shall say: any sound file or a video's sound, likewise."
    ),
]
OutputOrUrl = Annotated[
    str,
    typer.Option(
        "--output", "-o", "--output_path", "--video_out_path", "--outfile",
        help="The video (MP4, MOV, MKV, WebM): a path, or a URL of s3 or gs.",
    ),
]  # fmt: skip
Person = Annotated[
    str, typer.Option(help="Which face, if there are several: largest, center, left, right, or 1, 2, … from the left.")
]
Fps = Annotated[
    str | None, typer.Option(help="Frames per second of the output, e.g. 25 or 30000/1001; default: the footage's own.")
]
Tracker = Annotated[str, typer.Option(help="facemesh, or landmarker with a bundle file named in LIPWRIGHT_LANDMARKER.")]
Cache = Annotated[Path | None, typer.Option(help="Folder for avatars; default: the user's cache folder.")]
Engine = Annotated[
    str, typer.Option(help="native, or heygem: the published HeyGem models (`lipwright models pull heygem`).")
]
Device = Annotated[
    str,
    typer.Option(help="What runs published models: auto, cpu, cuda, tensorrt, rocm, coreml, directml or openvino."),
]
ModelFolder = Annotated[
    Path | None, typer.Option("--models", help="Folder of published models; default: LIPWRIGHT_MODELS or the user's.")
]
Watermark = Annotated[Path | None, typer.Option(metavar="PICTURE", help="A picture over every frame, bottom right.")]
DigitalAuth = Annotated[
    Path | None, typer.Option(metavar="PICTURE", help="A picture over every frame, top right: HeyGem's note.")
]
Label = Annotated[
    str, typer.Option(help="Text over the picture that says it is made with AI: off, start (3 seconds) or always.")
]
LabelText = Annotated[str, typer.Option(help="What the label says; default: a sentence of the language.")]
LabelLanguage = Annotated[
    str, typer.Option(help="Language of its sentence, e.g. en, zh, zh-Hant, ja, ko, de; default: this computer's.")
]
LabelCorner = Annotated[str, typer.Option(help="Where it stands: top-left, top-right, bottom-left or bottom-right.")]
LabelSize = Annotated[float, typer.Option(help="Height of its letters, as a share of the picture's shorter side.")]
LabelFont = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A font file for it; default: one that has the letters.")
]
Marks = Annotated[
    str, typer.Option(help="on: the file says what it is (signed statement, mark in the picture, records); or off.")
]
ConsentNote = Annotated[
    str,
    typer.Option(
        help="What the signed statement says of the shown person's consent; whoever has the file can read it."
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        metavar="PEM", help="Who signs, with those that vouch for it; default: this computer's own, self-made."
    ),
]
PrivateKey = Annotated[Path | None, typer.Option(metavar="PEM", help="The certificate's key, not encrypted.")]
Executor = Annotated[
    str, typer.Option(help="Who draws and encodes: local (this process), or ray (a Ray cluster, with --address).")
]
Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Head of the Ray cluster; default: a cluster of this machine alone."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but errors.")]
LogFile = Annotated[Path | None, typer.Option(help="Write the whole log into this file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout instead of text.")]


def is_on(option: str, word: str) -> bool:
    """What `on` or `off` means.

    Raises:
        OptionError: it is another word.
    """
    if word not in ("on", "off"):
        raise OptionError(f"{option} must be on or off, got {word!r}")
    return word == "on"


def open_executor(name: str, address: str | None) -> "executor.Executor":
    """Who draws and encodes.

    Raises:
        OptionError: an address is given to one that has none.
        BackendError: there is no such executor.
    """
    from lipwright import registry
    from lipwright.pipeline.executor import EXECUTORS

    made = registry.load("executor", EXECUTORS, name)
    if name == "local" and address is not None:
        raise OptionError("--address belongs to --executor ray; give both or neither")
    return made() if name == "local" else made(address)
