"""The imperceptible mark: 64 bits in the pixels of what was synthesised, read back from a re-encoded copy."""

from lipwright.provenance.watermark.detect import WatermarkReading, read_watermark, read_watermark_frames
from lipwright.provenance.watermark.embed import Area, Watermark

__all__ = ["Area", "Watermark", "WatermarkReading", "read_watermark", "read_watermark_frames"]
