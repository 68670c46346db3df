"""PyTorch checkpoints of others: read as data, compared key by key, turned into ONNX once."""
