#!/bin/sh
# Makes the virtual environment FOLDER, unless it is there and works: environment.sh FOLDER [PYTHON [DISTRIBUTION]]
# Without PYTHON it takes the first of the usual names that is Python 3.11 or later and can make environments; where the
# distribution's programs are on the PATH as well, its own of that name: those are built with optimizations, which what is
# built by hand often is not (record 0002). What is missing is said in one line.
set -eu
folder=$1
named=${2-}
own=${3-/usr/bin}

# What is broken off while it is made has a pip of which half is missing: its list of files comes last.
"$folder/bin/python" -c 'import sys
from importlib.metadata import distribution
sys.exit(not distribution("pip").read_text("RECORD"))' 2>/dev/null && exit 0

check='import sys
version = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    print("old " + version)
else:
    try:
        import ensurepip, venv
        print("good " + version)
    except ImportError:
        print("bare " + version)'

needs="Stemwright needs Python 3.11 or later"
another="or name another: make demo PYTHON=/path/to/python3"
missing="$needs and finds none: apt install python3 python3-venv, $another"
if [ -n "$named" ]; then
    missing="$needs, and $named does not start"
    set -- "$named"
    own=
else
    set -- python3.11 python3.12 python3.13 python3
    case ":$PATH:" in *":$own:"*) ;; *) own= ;; esac
fi
problem=
for name in "$@"; do
    for python in ${own:+"$own/$name"} "$name"; do
        found=$("$python" -c "$check" 2>/dev/null) || continue
        version=${found#* }
        bare="$needs with its package for environments: apt install python$version-venv, $another"
        case $found in
        good*)
            said=$("$python" -m venv --clear "$folder" 2>&1) && exit 0
            case $said in
            *ensurepip*) found=$bare ;;
            *) found="$python -m venv failed: $(printf %s "$said" | tail -n 1)" ;;
            esac
            ;;
        bare*) found=$bare ;;
        *) found="$needs, and $python is $version: install a later one, $another" ;;
        esac
        problem=${problem:-$found}
    done
done
echo "${problem:-$missing}" >&2
exit 1
