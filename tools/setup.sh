#!/usr/bin/env sh
# Makes .venv and installs into it what the lock given pins, by hash, then this project (editable).
# Usage: tools/setup.sh LOCK [PYTHON]. With uv on PATH it is used, else venv and pip; nothing needs root.
set -eu
lock=$1
python=${2:-}

if ! .venv/bin/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    rm -rf .venv
fi

with_uv() {
    # Where no interpreter fits, uv fetches one of its own.
    { [ -e .venv ] || uv venv --quiet --python "${python:-3.13}" .venv; } &&
        VIRTUAL_ENV="$PWD/.venv" uv pip install --quiet --require-hashes -r "$lock" &&
        VIRTUAL_ENV="$PWD/.venv" uv pip install --quiet --no-deps --no-build-isolation -e .
}

if command -v uv >/dev/null 2>&1; then
    if with_uv; then
        exit 0
    fi
    # It has settings of its own for certificates and indexes, which may lack what pip's have.
    echo "uv did not manage; going on with pip" >&2
fi

if [ -z "$python" ] && [ ! -e .venv ]; then
    echo "No Python 3.11, 3.12 or 3.13 found: install one, or uv, or name it: make setup PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if [ ! -e .venv ]; then
    # Debian's Python comes without ensurepip; its own pip can then install into the environment.
    "$python" -m venv .venv 2>/dev/null || { rm -rf .venv; "$python" -m venv --without-pip .venv; }
fi
if .venv/bin/python -m pip --version >/dev/null 2>&1; then
    pip() { .venv/bin/python -m pip "$@"; }
elif "${python:-python3}" -m pip --version >/dev/null 2>&1; then
    pip() { "${python:-python3}" -m pip --python .venv/bin/python "$@"; }
else
    echo "This Python has no pip: install its venv package (Debian: python3-venv), or uv, then try again." >&2
    exit 1
fi
pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
