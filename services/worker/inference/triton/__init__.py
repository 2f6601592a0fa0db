"""The networks behind Triton Inference Server, over gRPC: `Inference` and `MaskModel` for models that run elsewhere.

inference.py   `TritonInference`: what is served, whether it answers rightly now
model.py       `TritonModel`: patches in, masks out, tried again where that can help
client.py      one call each: deadline, keepalive, headers, cancellation
buffers.py     the bounded number of patches in flight, and how their numbers travel
"""
