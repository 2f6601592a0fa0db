"""The numbers of Spleeter's U-Net, which its importers, its runtimes and its training share.

R. Hennequin, A. Khlif, F. Voituret, M. Moussallam, "Spleeter: a fast and efficient music source separation tool with
pre-trained models", JOSS 5(50), 2020.
"""

ARCHITECTURE = "unet"
"""What a manifest calls a network whose graph is that of ``importers/unet.py``."""

SAMPLE_RATE_HZ, FFT_SIZE, HOP = 44100, 4096, 1024
"""The spectrogram that it sees: of stereo, with periodic Hann windows."""
FRAMES, BINS = 512, 1024
"""A patch of it, the lowest bins."""

DEPTH = 6
"""How often it halves frames and bins, by convolutions of stride 2."""
CHANNELS = (2, *(16 << level for level in range(DEPTH)))
"""Of the levels: the spectrogram, then the answers of the convolutions on the way down."""
BINS_STEP = 1 << DEPTH
"""The bins of every image that a network is asked about are a multiple of this."""

LEAKY_RELU_SLOPE = 0.2
BATCH_NORM_EPSILON = 1e-3
PAD_BEFORE, PAD_AFTER = 1, 2
"""What "same" padding of TensorFlow adds for an even length, kernel 5 and stride 2."""
