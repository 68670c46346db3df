"""What a page is sent: pictures and the sound that belongs to them, stamped by one clock."""

import asyncio
from fractions import Fraction
from math import sqrt

import av
import numpy as np
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE, MediaStreamError, MediaStreamTrack

SOUND_RATE = 48_000  # what WebRTC's Opus runs at
PACKET = SOUND_RATE // 50  # samples of 20 ms
MOST_PIXELS = 1280 * 720  # that are sent; H.264's level 3.1, which every browser takes, ends there
HELD_PICTURES, HELD_PACKETS = 3, 25  # that a slow connection may leave unsent; older ones are left out


class Sent(MediaStreamTrack):
    """A track that is filled from the event loop.

    Args:
        most: frames held; the oldest goes where one more comes.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._held: asyncio.Queue[av.VideoFrame | av.AudioFrame] = asyncio.Queue(most)
        self._begun = False

    def put(self, frame: av.VideoFrame | av.AudioFrame) -> None:
        """Send this next."""
        if self._held.full():
            self._held.get_nowait()
        self._held.put_nowait(frame)

    async def recv(self) -> av.VideoFrame | av.AudioFrame:
        """For aiortc."""
        if self.readyState != "live":
            raise MediaStreamError
        while not self._begun and self._held.qsize() > 1:  # what waited for the connection would come in a burst
            self._held.get_nowait()
        self._begun = True
        return await self._held.get()


class Pictures(Sent):
    """The track of pictures."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__(HELD_PICTURES)


class Voice(Sent):
    """The track of sound."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__(HELD_PACKETS)


class Packets:
    """Cuts the sound of frames, of any length, into packets of 20 ms."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._at = 0  # sample that the rest begins with

    def cut(self, sound: np.ndarray) -> list[av.AudioFrame]:
        """Packets that are complete with this sound. (n,) float32."""
        whole = np.concatenate([self._rest, np.rint(sound.clip(-1, 1) * 32767).astype(np.int16)])
        packets = []
        for first in range(0, len(whole) - PACKET + 1, PACKET):
            packet = av.AudioFrame.from_ndarray(whole[None, first : first + PACKET], format="s16", layout="mono")
            packet.sample_rate, packet.time_base, packet.pts = SOUND_RATE, Fraction(1, SOUND_RATE), self._at
            packets.append(packet)
            self._at += PACKET
        self._rest = whole[len(whole) // PACKET * PACKET :]
        return packets


def to_send(picture: np.ndarray, time: Fraction) -> av.VideoFrame:
    """A picture as an encoder takes it, of even size and no larger than may be sent.

    Args:
        picture: (H, W, 3) uint8 RGB.
        time: of its moment, seconds.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, sqrt(MOST_PIXELS / (width * height)))
    size = {"width": int(width * scale) // 2 * 2, "height": int(height * scale) // 2 * 2}
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(**size, format="yuv420p")
    frame.pts, frame.time_base = round(time * VIDEO_CLOCK_RATE), VIDEO_TIME_BASE
    return frame


def mono_of(frame: av.AudioFrame) -> np.ndarray:
    """What came from a page as (n,) int16 of one channel."""
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).astype(np.int32)
    return (samples.sum(1) // samples.shape[1]).astype(np.int16)
