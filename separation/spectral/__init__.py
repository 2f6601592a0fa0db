"""Between samples and spectra: the transform of a stream, and the filter that takes the vocals out of one."""
