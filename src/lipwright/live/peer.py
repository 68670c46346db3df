"""One page's connection: its sound in, the person out."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from lipwright.errors import InputError
from lipwright.live.pacer import Pacer
from lipwright.live.tracks import PACKET, SOUND_RATE, Pictures, Voice, mono_of
from lipwright.streaming.session import Session

CONNECT_S = 20.0  # for a page to connect once it was answered
GONE_S = 5.0  # without a packet from a page after which it counts as closed; WebRTC itself takes half a minute
TELL_S = 0.5  # between two reports to the page
LONGEST_GAP = SOUND_RATE  # samples lost on the way that silence stands in for; more is a clock that was set

log = logging.getLogger(__name__)


class Peer:
    """A connection.

    Args:
        session: whose frames it is sent; closed with it.
        gone: called once when it has ended.
    """

    def __init__(self, session: Session, gone: Callable[["Peer"], None]) -> None:
        self._session, self._gone = session, gone
        self._loop = asyncio.get_running_loop()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # no server is asked for our address
        self._pictures, self._voice = Pictures(), Voice()
        self._pacer = Pacer(session, self._from_clock, self._failed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel: RTCDataChannel | None = None
        self._started = self._closed = False
        self._connection.on("track", self._on_track)
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        """The description that answers a page's.

        Raises:
            InputError: it is none, or does not ask for a picture and sound.
        """
        connection = self._connection
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            kinds = sorted(each.kind for each in connection.getTransceivers())
            connection.addTrack(self._pictures)
            connection.addTrack(self._voice)
            for each in connection.getTransceivers():
                if each.kind == "video":  # a page's own pictures would be decoded and kept, and nobody takes them
                    each.direction = "sendonly"
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as exc:  # whatever a parser says of text from elsewhere
            log.debug("offer", exc_info=True)
            raise InputError("the page's offer cannot be read; load the page again") from exc
        if kinds != ["audio", "video"]:
            raise InputError("a page must offer one line of sound and one of pictures; load it again")
        self._keep(self._give_up())
        return connection.localDescription.sdp

    async def close(self) -> None:
        """End the connection and free all that it held."""
        if self._closed:
            return
        self._closed = True
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        await self._loop.run_in_executor(None, self._end)
        with contextlib.suppress(Exception):  # it may be broken already
            await self._connection.close()
        self._connection.remove_all_listeners()  # else what they refer to is only freed when Python looks for circles
        self._gone(self)

    def _end(self) -> None:
        self._pacer.stop()
        self._session.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._keep(self._listen(track))

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:  # a page opens one
            return
        self._channel = channel
        channel.on("message", self._on_message)
        self._keep(self._tell())

    def _on_message(self, message: Any) -> None:  # noqa: ANN401 - text or bytes, from elsewhere
        if message == "interrupt":
            self._session.interrupt()

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self._started:
            self._started = True
            self._pacer.start()
        elif state in ("failed", "closed") and not self._closed:
            self._keep(self.close())

    async def _listen(self, track: MediaStreamTrack) -> None:
        expected: int | None = None
        with contextlib.suppress(MediaStreamError, TimeoutError):
            while True:  # a page always sends sound, if only silence
                frame = await asyncio.wait_for(track.recv(), GONE_S if self._started else CONNECT_S)
                assert isinstance(frame, av.AudioFrame)  # noqa: S101 - the track is one of sound
                if not self._started or frame.sample_rate != SOUND_RATE:
                    continue
                samples = mono_of(frame)
                lost = frame.pts - expected if expected is not None and frame.pts is not None else 0
                expected = (frame.pts or 0) + len(samples)
                if 0 < lost < LONGEST_GAP:
                    self._hear(np.zeros(lost, np.int16))
                self._hear(samples)
        await self.close()

    def _hear(self, samples: np.ndarray) -> None:
        with contextlib.suppress(InputError):  # ten seconds wait: the machine is too slow, which the page is told
            self._pacer.hear(samples)

    async def _tell(self) -> None:
        while self._channel is not None and self._channel.readyState == "open":
            self._say(self._pacer.told())
            await asyncio.sleep(TELL_S)

    def _say(self, told: dict[str, Any]) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(told))

    async def _give_up(self) -> None:
        """Where no page connects, the place is free again."""
        await asyncio.sleep(CONNECT_S)
        if not self._started:
            await self.close()

    def _from_clock(self, picture: av.VideoFrame | None, packets: list[av.AudioFrame]) -> None:
        """Called in the clock's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._put, picture, packets)

    def _put(self, picture: av.VideoFrame | None, packets: list[av.AudioFrame]) -> None:
        for number, packet in enumerate(packets):  # each in its own time: a browser takes a burst for jitter
            self._loop.call_later(number * PACKET / SOUND_RATE, self._voice.put, packet)
        if picture is not None:
            self._pictures.put(picture)

    def _failed(self, sentence: str) -> None:
        """Called in the clock's thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._say, {"error": sentence})

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside; what is not referred to may be collected."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
