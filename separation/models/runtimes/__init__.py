"""What computes a network: kernels of our own for the U-Net, ONNX Runtime for any, and the choice between them."""
