"""Files that name other files are refused before anything else is opened."""

import av
import pytest
import synth

from lipwright.errors import MediaError
from lipwright.media import open_clip, read_sound

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nown.ts\n#EXT-X-ENDLIST\n"
DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>own.mp4</BaseURL>
<SegmentBase/></Representation></AdaptationSet></Period></MPD>"""
IMF = '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"></CompositionPlaylist>'
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


@pytest.fixture
def neighbour(tmp_path):
    """Somebody's own footage, beside which others may put files."""
    synth.write_video(tmp_path / "own.ts", map(synth.numbered, range(50)))
    return synth.write_video(tmp_path / "own.mp4", map(synth.numbered, range(50)))


def refused(path):
    with pytest.raises(MediaError), open_clip(path):
        pass
    with pytest.raises(MediaError):
        read_sound(path)


def test_a_concat_list_pulls_nothing_in(neighbour):
    path = neighbour.with_name("list.mp4")
    path.write_text("ffconcat version 1.0\nfile own.mp4\n", "utf-8")
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
        assert container.format.name == "concat"  # FFmpeg alone does as it is told
        assert sum(packet.size > 0 for packet in container.demux()) == 50
    with pytest.raises(MediaError, match=r"list.mp4 holds text, a playlist .* give the video"), open_clip(path):
        pass
    refused(path)


def test_a_playlist_pulls_nothing_in(neighbour):
    path = neighbour.with_name("list.m3u8")
    path.write_text(PLAYLIST, "utf-8")
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
        assert container.format.name == "hls"
        assert any(packet.size for packet in container.demux())
    with pytest.raises(MediaError, match="a playlist"), open_clip(path):
        pass
    refused(path)


def test_numbered_pictures_are_no_video(neighbour):
    for number in range(3):
        neighbour.with_name(f"own{number}.ppm").write_bytes(b"P6 64 64 255\n" + bytes(64 * 64 * 3))
    path = neighbour.with_name("own%d.ppm")
    path.write_bytes(b"P6 64 64 255\n" + bytes(64 * 64 * 3))
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
        assert sum(packet.size > 0 for packet in container.demux()) == 3
    refused(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.mpd", DASH),
        ("a.mp4", DASH),
        ("a.xml", IMF),
        ("a.sdp", SDP),
        ("a.mp4", SDP),
        ("a.txt", "Guten Tag\n" * 99),
        ("a.ffmeta", ";FFMETADATA1\ntitle=x\n"),
        ("a.srt", "1\n00:00:00,000 --> 00:00:09,000\nHello\n" * 9),
        ("a.idx", "# VobSub index file, v7\nsize: 720x576\nlangidx: 0\nid: en, index: 0\n"),
        ("a.m3u8", PLAYLIST.replace("own.ts", "http://127.0.0.1:9/own.ts")),
        ("a.m3u8", PLAYLIST.replace("own.ts", "data:text/plain,x")),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><image href="own.mp4"/></svg>'),
    ],
)
def test_neither_do_others(neighbour, name, text):
    path = neighbour.with_name(name)
    path.write_text(text, "utf-8")
    refused(path)
