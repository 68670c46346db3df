"""How far picture and sound are apart as a browser plays them, told by what is seen and heard itself."""

import numpy as np

STEP = 0.005  # seconds of the grid that all is laid on
REACH = 3.0  # seconds that a recording may lie after its reference
START = """(box) => {
  const video = document.querySelector("#person");
  const context = new AudioContext();
  const node = context.createMediaStreamSource(new MediaStream(video.srcObject.getAudioTracks()));
  const analyser = new AnalyserNode(context, { fftSize: 512 });
  node.connect(analyser);
  const canvas = new OffscreenCanvas(box.width, box.height);
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  const probe = window.probe = { seen: [], heard: [], rest: null };
  const samples = new Float32Array(analyser.fftSize);
  probe.timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    probe.heard.push([performance.now(), Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length)]);
  }, 10);
  const look = (now, about) => {
    paper.drawImage(video, box.x, box.y, box.width, box.height, 0, 0, box.width, box.height);
    const { data } = paper.getImageData(0, 0, box.width, box.height);
    probe.rest ??= data;
    let off = 0;
    for (let at = 0; at < data.length; at += 1) off += Math.abs(data[at] - probe.rest[at]);
    probe.seen.push([about.expectedDisplayTime, off / data.length]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}"""
STOP = """() => {
  clearInterval(probe.timer);
  return { seen: probe.seen, heard: probe.heard };
}"""


def on_grid(points, seconds):
    """Values at moments, (n, 2), as a curve of evenly spaced values without mean, as long as this."""
    points = np.asarray(points, float)
    curve = np.interp(np.arange(0, seconds, STEP), points[:, 0], points[:, 1])
    return curve - curve.mean()


def lateness(points, reference, seconds):
    """How much later a recording is than its reference, both (n, 2) of seconds and values; NaN: none of it."""
    known = on_grid(reference, seconds)
    whole = on_grid(points, seconds + REACH)
    fits = [float(known @ whole[late : late + len(known)]) for late in range(round(REACH / STEP))]
    best = int(np.argmax(fits))
    norm = np.linalg.norm(known) * np.linalg.norm(whole[best : best + len(known)])
    return best * STEP if fits[best] > 0.6 * norm else np.nan


def apart(recorded, pictures, sounds, seconds):
    """Seconds by which the picture is later than the sound, NaN where not what was played was recorded.

    Args:
        recorded: what `STOP` gives.
        pictures, sounds: (n, 2) the same curves of a session without a browser: seconds and values.
        seconds: how long these are.
    """
    begin = min(recorded["heard"][0][0], recorded["seen"][0][0])
    seen, heard = (np.array(recorded[name]) for name in ("seen", "heard"))
    seen[:, 0], heard[:, 0] = (seen[:, 0] - begin) / 1000, (heard[:, 0] - begin) / 1000
    return lateness(seen, pictures, seconds) - lateness(heard, sounds, seconds)
