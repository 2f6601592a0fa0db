"""The U-Net of ``importers/unet.py`` on a CPU by kernels of our own; reasons and figures in record 0113.

geometry.py  where images, tiles and rows lie
kernels.c    matrix products and convolutions
library.py   these from Python
weights.py   the ONNX file's weights in the order of the kernels
plan.py      the arrays of one set of images
network.py   what runs on what, on several processors
"""
