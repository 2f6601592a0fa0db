#!/bin/sh
# Builds the sdist, the wheel from it, and separates a song with the wheel in a clean environment: dist.sh VENV SONG
# Beside them sdist and wheel of the client, a distribution of its own, which is imported in that environment.
# What the wheel needs is resolved anew, as for anybody who installs it, not taken from the lock. The model's own wheel
# is kept in the cache of Stemwright.
set -eu
bin=$(cd "$1/bin" && pwd)
song=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
dist=$PWD/dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

rm -rf "$dist"
"$bin/hatchling" build --directory "$dist" --target sdist
mkdir "$work/source" "$work/elsewhere"
"$bin/python" -m tarfile --extract "$dist"/stemwright-*.tar.gz "$work/source"
(cd "$work/source"/stemwright-* && "$bin/hatchling" build --directory "$dist" --target wheel)
client=$PWD/clients/python
(cd "$client" && "$bin/hatchling" build --directory "$dist")
set -- "$dist"/stemwright-*.whl

echo "Installing $(basename "$1") into a clean environment ..."
"$bin/python" -m venv "$work/clean"
"$work/clean/bin/python" -m pip install --quiet --disable-pip-version-check "$1[cpu]"

test -s "$(echo "$work"/clean/lib/python3*/site-packages/services/gateway/web/index.html)" || {
    echo "the wheel has no pages"
    exit 1
}

# From a folder in which there is no checkout to import from.
cd "$work/elsewhere"
export XDG_DATA_HOME="$work/data"
stemwright=$work/clean/bin/stemwright
"$stemwright" --version
"$stemwright" models import spleeter-2stems
"$stemwright" separate "$song" --output stems --preview 0:2
for stem in vocals instrumental; do
    test -s "$(ls stems/*/*/$stem.flac)" || { echo "the wheel made no $stem"; exit 1; }
done
"$work/clean/bin/python" -m pip install --quiet --disable-pip-version-check "$(echo "$dist"/stemwright_client-*.whl)[cli,mcp]"
"$stemwright" client --help > /dev/null
"$work/clean/bin/stemwright-client" mcp --help > /dev/null
echo "It separates. In dist: $(cd "$dist" && echo *)"
