"""Do the lips do what the phones ask: closed on m, b, p, near on f, v, narrow on u, o, w. Motion alone, no picture.

    python benchmarks/closures.py [--checkpoint FOLDER] [--english FILE_OR_FOLDER ...] [--grid DIR]

Synthetic speech with known phones (eSpeak NG in ten languages, Flite if it is installed) and, where PocketSphinx is
installed, real English that it recognises and aligns (`--english`: sound files; `--grid`: the motion set's folder,
whose GRID sentences follow a small grammar). A closure is an opening of 1.5 % of the eye distance or less within one
frame of the phone, at 25 frames per second; opening and width are those of an average face with this drive.
"""

import argparse
import csv
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipwright.audio.features import listen
from lipwright.evaluation.phones import CLOSED
from lipwright.facespace import DRIVE, open_face, opening, width
from lipwright.media import read_sound
from lipwright.motion.mouth import MouthMotion
from lipwright.motion.style import mouth_shape, neutral_mouth
from lipwright.structures import Sound

RATE, FPS = 16_000, Fraction(25)
KINDS = {
    "mbp": ("m", "b", "p"),
    "fv": ("f", "v"),
    "a": ("a", "aa", "ae", "ah0", "ah", "ao", "ay", "aw", "A", "V", "E"),
    "round": ("u", "uw", "ow", "oy", "w", "o", "U", "O", "uh"),
    "ee": ("i", "iy", "ih", "ey", "I", "e"),
}
TEXTS = {
    "en-us": "Mom bought a big blue map, but Bob put the pump in the room before my brother came back.",
    "en-gb": "Please bring me a bowl of plums and maybe a piece of warm bread. Very few people have five voices.",
    "es": "Mi mamá me compra un buen bombón por la mañana, pero Pablo no bebe ni come pan moreno.",
    "de": "Mama bäckt im Mai bunte Plätzchen, aber Papa bleibt bei Bremen am Bahnhof im Bus.",
    "fr-fr": "Maman prépare un bon repas pour papa, puis Paul emporte beaucoup de pommes en Belgique.",
    "it": "La mamma compra il pane buono, poi prepara un bel piatto per Paolo e per la bambina.",
    "pt-br": "Minha mãe comprou um bom pão pela manhã, mas o Pedro bebe pouco e prefere banana.",
    "pl": "Mama kupiła piękny obraz, a babcia pije mleko, bo dobre bułki były bardzo małe.",
    "tr": "Annem bana büyük bir pasta yaptı, ama babam bu sabah kapıda bekliyor.",
    "id": "Ibu membeli buah mangga, bapak membawa pisang, dan kami makan bersama di rumah paman.",
}
GRID_GRAMMAR = """#JSGF V1.0; grammar g; public <s> = (bin|lay|place|set) (blue|green|red|white) (at|by|in|with)
 (a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u|v|x|y|z)
 (zero|one|two|three|four|five|six|seven|eight|nine) (again|now|please|soon);"""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sound, (n,) float32 at 16 kHz, and its phones: name, start and end in seconds."""

    group: str
    samples: np.ndarray
    phones: list[tuple[str, float, float]]


def synthetic() -> Iterator[Spoken]:
    """Every text in three eSpeak voices, the English ones in Flite's too."""
    from lipwright.training.speech import Synthesiser, flite

    engine = Synthesiser()
    for language, text in TEXTS.items():
        for variant, speed, pitch in (("", 150, 50), ("+f3", 175, 65), ("+m1", 200, 35)):
            said = engine.say(text, language + variant, words_per_minute=speed, pitch=pitch)
            yield Spoken(f"espeak {language}", said.samples, [(n[:1], s, e) for n, s, e in said.phones])
    if shutil.which("flite"):
        for voice in ("kal16", "awb", "rms", "slt"):
            for language in ("en-us", "en-gb"):
                said = flite(TEXTS[language], voice)
                yield Spoken(f"flite {voice}", said.samples, [(n[:1], s, e) for n, s, e in said.phones])


class Aligner:
    """Words, then phones of real English, by PocketSphinx."""

    def __init__(self, grammar: str | None = None) -> None:
        from pocketsphinx import Decoder, get_model_path

        self._decoder = Decoder(loglevel="FATAL", samprate=RATE)
        self._words = "free" if grammar is None else "grammar"
        if grammar is not None:
            self._decoder.add_jsgf_string("grammar", grammar)
        else:
            self._decoder.add_lm_file("free", get_model_path("en-us/en-us.lm.bin"))

    def phones(self, samples: np.ndarray) -> list[tuple[str, float, float]]:
        """Name, start and end in seconds; none where no words are recognised."""
        data = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()
        self._decoder.activate_search(self._words)
        self._run(data)
        found = self._decoder.hyp()
        words = re.sub(r"\(\d+\)|<[^>]*>|\[[^]]*\]", "", found.hypstr if found else "").strip()
        if not words:
            return []
        try:
            self._decoder.set_align_text(words)
            self._run(data)
            self._decoder.set_alignment()
            self._run(data)
        except RuntimeError:  # how PocketSphinx says that the words do not fit the sound
            return []
        return [
            (phone.name.lower(), phone.start / 100, (phone.start + phone.duration) / 100)
            for word in self._decoder.get_alignment()
            for phone in word
        ]

    def _run(self, data: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(data, full_utt=True)
        self._decoder.end_utt()


def english(paths: list[Path]) -> Iterator[Spoken]:
    """Sound files, aligned."""
    aligner = Aligner()
    for path in paths:
        samples = read_sound(path, RATE).samples
        yield Spoken("real English", samples, aligner.phones(samples))


def grid(folder: Path) -> Iterator[Spoken]:
    """The GRID sentences of the motion set marked `test`, aligned."""
    samples, aligner = read_sound(folder / "grid_sound.ogg", RATE).samples, Aligner(GRID_GRAMMAR)
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "grid" and row["use"] == "test"]
    for row in rows:
        own = samples[int(row["sample_start"]) :][: int(row["samples"])]
        yield Spoken("real GRID", own, aligner.phones(own))


def kind_of(phone: str) -> str | None:
    """Which of `KINDS` a phone belongs to."""
    name = re.sub(r"[0-9]", "", phone)
    return next((kind for kind, names in KINDS.items() if name in names), None)


def measure(spoken: Iterator[Spoken], motion: MouthMotion) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Least opening and mean width within a frame of each phone, by group and kind, eye distances."""
    neutral = neutral_mouth(open_face()[None, DRIVE], mouth_shape()["opening_direction"])
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for said in spoken:
        frames = -(-len(said.samples) * FPS // RATE)
        mouths = neutral + motion.move(listen(Sound(said.samples, RATE)), FPS, int(frames)).offsets
        opens, wide, times = opening(mouths), width(mouths) - width(neutral), np.arange(len(mouths)) / float(FPS)
        for name, start, end in said.phones:
            kind = kind_of(name)
            near = (times >= start - 1 / FPS) & (times <= end + 1 / FPS)
            inner = (times >= start) & (times <= end)
            if kind and near.any():
                least = opens[near].min() if kind == "mbp" else opens[inner if inner.any() else near].mean()
                found[said.group][kind].append((float(least), float(wide[near].mean())))
    return found


HEADER = "group | closed on m b p | 90th % | open on f v | on a | a closed | wider on u o w | on i e (% of eyes)"


def line(name: str, kinds: dict[str, list[tuple[float, float]]]) -> str:
    """One group's row of the table."""
    lips = np.array([least for least, _ in kinds["mbp"]] or [np.nan])
    opens = {kind: np.array(values or [(np.nan, np.nan)]) for kind, values in ((k, kinds[k]) for k in KINDS)}
    cells = [f"{(lips <= CLOSED).mean():.2f} of {len(lips)}", f"{100 * np.percentile(lips, 90):.1f}"]
    cells += [f"{100 * np.median(opens[kind][:, 0]):.1f}" for kind in ("fv", "a")]
    cells += [f"{(opens['a'][:, 0] <= CLOSED).mean():.2f}"]
    cells += [f"{100 * np.median(opens[kind][:, 1]):+.1f}" for kind in ("round", "ee")]
    return " | ".join([f"{name:16}", *cells])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a training folder instead of the shipped model")
    parser.add_argument("--english", type=Path, nargs="*", default=[])
    parser.add_argument("--grid", type=Path)
    options = parser.parse_args()
    motion = MouthMotion.open()
    if options.checkpoint:
        from lipwright.training.evaluate_motion import TorchSession

        motion = MouthMotion(TorchSession(options.checkpoint))
    found = measure(synthetic(), motion)
    if options.english:
        found |= measure(english(options.english), motion)
    if options.grid:
        found |= measure(grid(options.grid), motion)
    print(HEADER)
    for name, kinds in found.items():
        print(line(name, kinds))
    for pool in ("espeak", "flite", "real"):
        merged: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for name, kinds in found.items():
            if name.startswith(pool):
                for kind, values in kinds.items():
                    merged[kind] += values
        if merged:
            print(line(f"all {pool}", merged))


if __name__ == "__main__":
    main()
