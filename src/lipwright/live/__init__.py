"""A live session in a browser page, over WebRTC. Needs the extra `live`."""
