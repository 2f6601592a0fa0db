"""What training refuses, each as one sentence for a person.

::

    TrainingError
    ├── ConfigInvalid       the configuration cannot be read, or is not the one the run began with
    ├── DataInvalid         a data set is not there or not what it is said to be
    ├── CheckpointInvalid   a file is no checkpoint of this network
    ├── RunDiverged         the loss is not a number
    ├── ParityFailed        the exported file does not answer as the network does
    └── NotRegistered       the model is worse, or nobody measured whether it is
"""


class TrainingError(Exception):
    """Root of the tree."""


class ConfigInvalid(TrainingError):
    """The configuration cannot be read, or is not the one with which the run began."""


class DataInvalid(TrainingError):
    """A data set is not there or not what it is said to be."""


class CheckpointInvalid(TrainingError):
    """A file is no checkpoint, or one of another network."""


class RunDiverged(TrainingError):
    """The loss is not finite any more."""


class ParityFailed(TrainingError):
    """The exported file does not answer as the network does."""


class NotRegistered(TrainingError):
    """The model is worse than the one it replaces, or nobody measured whether it is."""
