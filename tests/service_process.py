"""The service as users run it, `lipwright serve` in a process of its own, to be asked, killed and started again."""

import os
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import httpx
import psutil
import synth

from lipwright.example import portrait, speech
from lipwright.media import open_clip, read_sound

CLIPS = Path(__file__).parents[2] / "shared" / "clips"
CLIP = "KwaiVGI_LivePortrait_d7.mp4"
HEIGHT, RATE = 360, 25
READY_S = 60.0


class ServiceProcess:
    """A server and its children on a port that stays the same; use as a context manager.

    Args:
        folder: of its data.
        arguments: further ones of `lipwright serve`.
        environment: further variables.
    """

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.folder, self._arguments = folder, arguments
        self._environment = os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None
        self.starts = 0

    def __enter__(self) -> "ServiceProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        """Start it and wait until it takes jobs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "lipwright.cli.main", "serve", "--data-dir", str(self.folder)]
        command += ["--port", str(self.port), "--device", "cpu", *self._arguments]
        self.starts += 1
        with self.screen.open("ab") as screen:
            self.process = subprocess.Popen(command, env=self._environment, stdout=screen, stderr=screen)
        until = time.monotonic() + READY_S
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the service is not ready:\n{self.said()[-3000:]}")
            time.sleep(0.1)

    def end(self) -> None:
        """End it in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def kill(self) -> None:
        """`kill -9` of the server alone; its children have to see to themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def screen(self) -> Path:
        """What it printed, over all starts."""
        return self.folder.parent / f"{self.folder.name}.screen"

    def said(self) -> str:
        """The same as text."""
        return self.screen.read_text("utf-8", errors="replace")

    def workers(self) -> list[psutil.Process]:
        """Processes that do jobs, known by the log they write."""
        return [child for child in self.children() if _writes(child, "worker-")]

    def children(self) -> list[psutil.Process]:
        """All processes under the server."""
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def client(self, **options: object) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=60, **options)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def _writes(process: psutil.Process, log: str) -> bool:
    try:
        return any(Path(file.path).name.startswith(log) for file in process.open_files())
    except psutil.Error:
        return False


def footage(folder: Path, seconds: float = 2.0) -> Path:
    """A real clip of 360 lines where the clips are, else the bundled portrait of that size."""
    if not (CLIPS / CLIP).is_file():
        picture = cv2.imread(str(portrait))
        path = folder / "portrait.png"
        cv2.imwrite(str(path), cv2.resize(picture, (HEIGHT, HEIGHT), interpolation=cv2.INTER_AREA))
        return path
    with open_clip(CLIPS / CLIP, Fraction(RATE)) as clip:
        width = round(clip.facts.width * HEIGHT / clip.facts.height / 2) * 2
        frames = [
            cv2.resize(frame, (width, HEIGHT), interpolation=cv2.INTER_AREA)
            for frame in clip.play(range(min(round(RATE * seconds), clip.facts.frames)))
        ]
    return synth.write_video(folder / "clip.mp4", frames, rate=RATE)


def sound(folder: Path, seconds: float = 2.0) -> Path:
    """The beginning of the bundled speech."""
    samples = read_sound(speech, 16_000).samples[: round(16_000 * seconds)]
    return synth.write_sound(folder / "speech.wav", samples, 16_000, "pcm_s16le")


def upload(client: httpx.Client, path: Path) -> str:
    """The path in the data folder of a file that was sent."""
    with path.open("rb") as file:
        answer = client.post("/v1/files", files={"file": (path.name, file)})
    answer.raise_for_status()
    return answer.json()["path"]


def stored_avatar(client: httpx.Client, video: str) -> str:
    """An avatar that is ready for jobs."""
    answer = client.post("/v1/avatars", json={"video": video})
    answer.raise_for_status()
    avatar, until = answer.json(), time.monotonic() + 120
    while avatar["state"] == "building" and time.monotonic() < until:
        time.sleep(0.1)
        avatar = client.get(f"/v1/avatars/{avatar['id']}").json()
    assert avatar["state"] == "ready", avatar
    return avatar["id"]


def submit(client: httpx.Client, **asked: object) -> str:
    """The id of a job that was accepted."""
    answer = client.post("/v1/jobs", json=asked)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ended(client: httpx.Client, ids: list[str], seconds: float) -> dict[str, dict]:
    """Views of jobs once all have ended."""
    views, until = {}, time.monotonic() + seconds
    while len(views) < len(ids):
        for name in ids:
            if name not in views:
                view = client.get(f"/v1/jobs/{name}").json()
                if view["state"] in ("done", "failed", "cancelled"):
                    views[name] = view
        if time.monotonic() > until:
            raise TimeoutError(f"{len(ids) - len(views)} of {len(ids)} jobs have not ended in {seconds:.0f} s")
        time.sleep(0.2)
    return views


def wrong_with(content: bytes, path: Path, frames: int, rate: int = RATE) -> str:
    """What is wrong with a result: "" where it has these frames, as long a sound, and can be played to its end."""
    path.write_bytes(content)
    try:
        with open_clip(path) as clip:
            facts = clip.facts
            if (facts.frames, facts.fps) != (frames, rate):
                return f"{facts.frames} frames at {facts.fps}, expected {frames} at {rate}"
            played = sum(1 for _ in clip.frames())
            if played != frames:
                return f"{played} frames play of {frames}"
        with av.open(str(path)) as container:
            heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    except Exception as exc:  # noqa: BLE001 - whatever is wrong is the answer
        return f"{type(exc).__name__}: {exc}"
    return "" if abs(heard - frames / rate) < 0.1 else f"{heard:.2f} s of sound for {frames / rate:.2f} s of pictures"
