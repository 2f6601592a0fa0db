"""How this Python is started anew, with the code that runs here and none of somebody else's."""

import os
import site
import sys
from pathlib import Path

import services

STEMWRIGHT = (sys.executable, "-P", "-m", "services.cli")
"""Without the folder at hand on the path of modules: it may have a package `services` of somebody else's."""
NOT_INHERITED = frozenset(
    {
        *("PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG"),  # warnings as errors, of libraries too
        *("PYTHONOPTIMIZE", "PYTHONCASEOK", "PYTHONBREAKPOINT"),  # other code than was tested
        *("PYTHONINSPECT", "PYTHONSTARTUP"),  # a prompt in place of an end, which is an end with 0
        *("PYTHONDEBUG", "PYTHONVERBOSE", "PYTHONPROFILEIMPORTTIME", "PYTHONDUMPREFS", "PYTHONMALLOCSTATS"),  # noise
    }
)
"""What somebody has set for programs that they write. Where Python finds code and how it reads text is inherited."""


def inherited_environment() -> dict[str, str]:
    """What a process of ours takes over of the environment of this one.

    It finds the code that runs here: where that is not installed, as in a checkout, its folder is named.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    root = str(Path(services.__path__[0]).absolute().parent)
    named = [folder for folder in inherited.get("PYTHONPATH", "").split(os.pathsep) if folder]
    if root not in (*named, *site.getsitepackages(), site.getusersitepackages()):
        inherited["PYTHONPATH"] = os.pathsep.join([root, *named])
    return inherited
