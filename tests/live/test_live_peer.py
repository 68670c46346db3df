"""A connection to something that is no page of ours."""

import asyncio

import pytest

pytest.importorskip("aiortc", reason="needs the extra live")

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from lipwright import Session
from lipwright.example import portrait
from lipwright.live.peer import Peer
from lipwright.live.tracks import SOUND_RATE

CONNECTED_S = 15.0


def test_pictures_and_channels_that_nobody_asked_for_are_not_kept(still):
    async def connected():
        gone = asyncio.Event()
        peer = Peer(Session(portrait, options=still, rate=SOUND_RATE), lambda _: gone.set())
        other, open_ = RTCPeerConnection(RTCConfiguration(iceServers=[])), asyncio.Event()
        other.addTrack(VideoStreamTrack())
        other.addTrack(AudioStreamTrack())
        channels = [other.createDataChannel(str(number)) for number in range(6)]
        channels[-1].on("open", open_.set)
        await other.setLocalDescription(await other.createOffer())
        answer = await peer.answer(other.localDescription.sdp)
        await other.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        await asyncio.wait_for(open_.wait(), CONNECTED_S)
        await asyncio.sleep(0.3)
        (video,) = (each for each in peer._connection.getTransceivers() if each.kind == "video")
        told = len(peer._tasks)
        await other.close()
        await asyncio.wait_for(gone.wait(), CONNECTED_S)
        return video.currentDirection, video.receiver.track._queue.qsize(), told

    direction, kept, tasks = asyncio.run(connected())
    assert (direction, kept) == ("sendonly", 0)
    assert tasks <= 3  # one listens, one tells, one gives up where nobody connects
