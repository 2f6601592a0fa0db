"""The engine on the command line: ``stemwright separate`` and ``stemwright models``."""

from separation.cli.command import separate as separate
from separation.cli.model_commands import models as models
