"""How the shipped numbers are made: landmarks and sound in, ONNX and tables out."""
