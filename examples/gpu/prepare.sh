#!/usr/bin/env bash
# Run this where packages can be fetched, in the project's root: bash examples/gpu/prepare.sh
# It collects in .whl/ (which git ignores) what the GPU machine lacks, with the scripts that run there. It changes no tracked
# file and can be run again: what is there already is kept.
#   DEVICE_PYTHON  version of Python there (default 3.12)
#   PREBUILD=0     leaves out the wheel of the plugin that is made here, for the case that it cannot be built there
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$(git rev-parse --show-toplevel)"
version=${DEVICE_PYTHON:-3.12}
pip() { python3 -m pip --quiet --disable-pip-version-check "$@" 2> >(grep -v "is ignored: it is neither" >&2); }

exclude=$(git rev-parse --git-path info/exclude) # in a worktree it lies elsewhere
mkdir -p "$(dirname "$exclude")" .whl/wheels .whl/headers .whl/prebuilt
grep -qxF /.whl/ "$exclude" 2>/dev/null || echo /.whl/ >>"$exclude"

platforms=()
for tag in manylinux_2_39 manylinux_2_35 manylinux_2_34 manylinux_2_31 manylinux_2_28 manylinux_2_27 manylinux_2_24 \
    manylinux_2_17 manylinux2014 manylinux1; do
    platforms+=(--platform "${tag}_x86_64")
done
fetch() { # folder requirement: one wheel for the GPU machine, unless it is there already
    local name=${2%%=*}
    compgen -G "$1/${name//-/_}-${2##*=}-*.whl" >/dev/null && return
    pip download --no-deps --only-binary=:all: --python-version "$version" --implementation cp "${platforms[@]}" -d "$1" "$2"
}
# What that machine lacks (openmm, its CUDA platform, mdtraj, ase), and what it may have in versions that nobody has tried.
for package in openmm==8.6.1 openmm-cuda-13==8.6.1 mdtraj==1.11.1.post2 ase==3.29.0 e3nn==0.6.0 nanobind==3.1.0 \
    scikit-build-core==1.1.2 pathspec==1.1.1; do
    fetch .whl/wheels "$package"
done
compgen -G ".whl/wheels/openmmml-*.whl" >/dev/null || pip wheel --no-deps -w .whl/wheels openmmml==1.8 # published as source only
# Headers for the build, of that machine's CUDA; its own CL/opencl.h is too old for OpenMM. Never installed there: libraries come with them that have to be torch's own.
for package in nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88 nvidia-cuda-opencl==13.0.85; do
    fetch .whl/headers "$package"
done

rm -f .whl/prebuilt/*.whl
for python in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python; do
    [ "${PREBUILD:-1}" = 1 ] || break
    "$python" -c "import sys; assert '%d.%d' % sys.version_info[:2] == '$version'" 2>/dev/null || continue
    echo "building the plugin for Python $version here, for the case that it cannot be built there"
    venv=$(mktemp -d)
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check wheel --no-deps -w .whl/prebuilt . 2>"$venv/errors" ||
        { tail -3 "$venv/errors"; echo "that failed"; }
    rm -rf "$venv"
    break
done
compgen -G ".whl/prebuilt/*.whl" >/dev/null || echo "no prebuilt plugin (PREBUILD=0, or no Python $version here): it has to be built there"

cp "$here"/run.sh "$here"/*.py "$here"/*.c .whl/
python3 - <<'PY'
import os, subprocess, sys
names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=True).stdout.split(b"\0")
tree = sum(os.lstat(n).st_size for n in set(names) if n and os.path.lexists(n))
carried = sum(os.path.getsize(os.path.join(f, n)) for f, _, ns in os.walk(".whl") for n in ns)
mib = 2**20
print(f"project {tree / mib:.1f} MiB, .whl {carried / mib:.1f} MiB: {(tree + carried) / mib:.1f} of 64 MiB")
if tree + carried > 62 * mib:
    sys.exit("too large to travel: remove mdtraj and ase from .whl/wheels (few tests need them)")
PY
echo "ready: on the GPU machine, in the project's root, 'bash .whl/run.sh'"
