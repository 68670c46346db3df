"""How far a live session is behind its sound. The numbers of docs/benchmarks.md, section "Live".

    python benchmarks/live.py [VIDEO ...] [--seconds 60]

The bundled portrait, and every video given, cut to its face and scaled to 512 x 512, say the bundled speech over and
over. A thread hands in a piece every 20 ms of the clock, as a microphone does; frames are taken as soon as they are
ready. Told are: the seconds from the arrival of the sound at a frame's own moment until the frame is there (the session
hears 260 ms beyond it before it draws), frames per second, the share of a processor's time that the process used, how
long a session with a stored avatar takes to open and to give its first frame, and what memory is in use after a sixth
of the time and at the end. Set OMP_NUM_THREADS=1; frames are drawn in one thread, footage is read in another.
"""

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil

from lipwright import Session
from lipwright.example import portrait, speech
from lipwright.face.base import open_tracker
from lipwright.facespace import FACE_OVAL
from lipwright.media import ClipWriter, EncodeOptions, open_clip, read_sound

RATE, PIECE = 16_000, 320
SIDE = 512
AROUND = 2.2  # heights of a face that a cut-out is high


@dataclass
class Run:
    """What one session showed.

    Args:
        delays: seconds, of every frame.
        opened, first: seconds until the session was there, and until its first frame was.
        fps: frames per second.
        cpu: processors in use.
        memory: bytes, after a sixth of the time and at the end.
    """

    delays: list[float] = field(default_factory=list)
    opened: float = 0.0
    first: float = 0.0
    fps: float = 0.0
    cpu: float = 0.0
    memory: list[int] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A line of the table."""
        p50, p95, p99, most = 1000 * np.percentile(self.delays, (50, 95, 99, 100))
        early, late = (size / 2**20 for size in self.memory)
        return (
            f"| {name} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {most:.0f} | {np.mean(np.array(self.delays) > 0.3):.2%} | "
            f"{self.fps:.2f} | {self.cpu:.2f} | {self.opened:.2f} | {self.first:.2f} | {early:.0f} → {late:.0f} |"
        )


def square(video: Path, path: Path) -> None:
    """The video's face, 512 x 512."""
    with open_clip(video) as clip, open_tracker("facemesh") as tracker:
        mesh = next(mesh for frame in clip.frames() if (mesh := tracker.fit(frame)) is not None)
        face = mesh[list(FACE_OVAL), :2]
        side = int(min(AROUND * np.ptp(face[:, 1]), clip.facts.width, clip.facts.height))
        x, y = np.clip(
            (face.mean(0) - side / 2).astype(int), 0, (clip.facts.width - side, clip.facts.height - side)
        ).tolist()
        fine = EncodeOptions(crf=14, preset="veryfast")
        with ClipWriter(path, width=SIDE, height=SIDE, fps=clip.facts.fps, options=fine) as sink:
            for frame in clip.frames():
                sink.write(cv2.resize(frame[y : y + side, x : x + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def feed(session: Session, sound: np.ndarray, arrived: list[float], seconds: float) -> None:
    """Hand in a piece whenever its last sample would have been recorded."""
    began = time.perf_counter()
    for number in range(int(seconds * RATE) // PIECE):
        time.sleep(max(0.0, began + (number + 1) * PIECE / RATE - time.perf_counter()))
        at = number * PIECE % (len(sound) - PIECE)
        arrived.append(time.perf_counter())
        session.hear(sound[at : at + PIECE])


def live(video: Path, sound: np.ndarray, seconds: float) -> Run:
    """Run one session in real time."""
    run, arrived, taken, process = Run(), [], [], psutil.Process()
    with Session(video):
        pass  # the avatar is stored, the libraries are loaded
    start = time.perf_counter()
    with Session(video) as session:
        run.opened = time.perf_counter() - start
        session.next_frame()
        run.first = time.perf_counter() - start
    with Session(video) as session:
        used, begun = sum(process.cpu_times()[:2]), time.perf_counter()
        source = threading.Thread(target=feed, args=(session, sound, arrived, seconds))
        source.start()
        while source.is_alive() or session.ready:
            if not session.ready:
                time.sleep(0.0005)
                continue
            frame = session.next_frame()
            taken.append(time.perf_counter())
            run.delays.append(taken[-1] - arrived[int(frame.time * RATE) // PIECE])
            if not run.memory and time.perf_counter() - begun > seconds / 6:
                run.memory.append(process.memory_info().rss)
        wall = time.perf_counter() - begun
        run.fps = (len(taken) - 1) / (taken[-1] - taken[0])
        run.cpu = (sum(process.cpu_times()[:2]) - used) / wall
        run.memory.append(process.memory_info().rss)
    return run


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    sound = read_sound(speech, RATE).samples
    print(
        "| footage | p50 ms | p95 | p99 | max | over 300 ms | fps | processors | open s | first frame s | memory MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print(live(portrait, sound, asked.seconds).row("bundled portrait, 512×512"), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, video in enumerate(asked.videos):
            small = Path(folder) / f"{number}.mp4"
            square(video, small)
            with open_clip(small) as clip:
                fps = float(clip.facts.fps)
            print(live(small, sound, asked.seconds).row(f"{video.stem[-24:]}, 512×512, {fps:g} fps"), flush=True)


if __name__ == "__main__":
    main()
