"""The stems of one song: split such that they sum to it, kept until all of it is heard, written, proved."""
