#!/usr/bin/env bash
# Run this ON the GPU machine, in the project's root: bash .whl/run.sh [stage ...]
#
# First the wheels are installed, once on a machine, and the plugin is built. Then, all at a time: smoke tests order handover
# dynamics; then, one after the other and undisturbed: bench profile kernels. Each stage has its own time limit and log; one
# that fails stops nothing. The summary comes last, within the time for everything; $OUT gets summary.txt and logs.tar.gz.
#   POLARMP_GPU_SECONDS   for everything (default 280; it should take about 200)
#   POLARMP_GPU_ATOMS     sizes of the benchmark (default "3000 24000 100000 1000000")
#   POLARMP_GPU_PROFILE   sizes of the profile (default "3000 24000"); the kernels are looked at with the last of them
#   POLARMP_GPU_COMPILE   set: the benchmark also takes torch.compile (costs a minute)
#   POLARMP_GPU_KEYWORD   more of pytest's -k for the tests
#   POLARMP_GPU_PLATFORM  OpenMM's platform (default CUDA; CPU or OpenCL to try this script where there is no GPU)
set -uo pipefail
root=$PWD
carried=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
total=${POLARMP_GPU_SECONDS:-280} platform=${POLARMP_GPU_PLATFORM:-CUDA}
atoms=${POLARMP_GPU_ATOMS:-3000 24000 100000 1000000} profile_atoms=${POLARMP_GPU_PROFILE:-3000 24000}
keyword=$platform
[ "$platform" = CUDA ] && keyword="($keyword) and not OpenCL" # that machine has PoCL, which would compile for minutes
[ -n "${POLARMP_GPU_KEYWORD:-}" ] && keyword="($keyword) and ($POLARMP_GPU_KEYWORD)"
work=${TMPDIR:-/tmp}/polarmp-gpu
site=$work/site logs=$work/logs
OUT=${OUT:-$(mktemp -d)}
rm -rf "$logs"
mkdir -p "$work" "$OUT" "$logs/traces"
python=$(python3 -c 'import sys; print(sys.executable)')
PATH=$(dirname "$python"):$PATH
# NVRTC and cuFFT came with torch; OpenMM's CUDA platform looks for them beside itself, where they are not.
libraries=$("$python" -c 'import glob, sys; print(":".join(dict.fromkeys(d for p in sys.path if p for d in sorted(glob.glob(p + "/nvidia/*/lib")))))')
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PYTHONPATH=$site PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CUDA_CACHE_PATH=$work/cuda-cache CUDA_CACHE_MAXSIZE=2000000000
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-16}
export POLARMP_GPU_DRIVERCALLS=$work/drivercalls.so POLARMP_GPU_REPORTS=$logs POLARMP_GPU_TRACES=$logs/traces
export root carried work site python platform atoms keyword
cd "$work" # not the project's root: Python would find the source tree there instead of what was installed

started=()
launch() { # name limit command ...: in the background
    local name=$1 limit=$2
    shift 2
    ((total - SECONDS - 4 < limit)) && limit=$((total - SECONDS - 4))
    started+=("$name")
    if ((limit < 8)); then
        echo "not run: no time left" >"$logs/$name.log"
        echo "- 0 $SECONDS" >"$logs/$name.code"
        return
    fi
    (
        begin=$SECONDS
        timeout -k 5 "$limit" "$@" >"$logs/$name.log" 2>&1
        code=$?
        echo "$code $((SECONDS - begin)) $SECONDS" >"$logs/$name.code"
        ((code == 124 || code == 137)) && echo "RESULT STOPPED after $limit s" >>"$logs/$name.log"
        printf '%4d s  %-9s exit %-4s %s\n' "$SECONDS" "$name" "$code" "$(remark_of "$name")"
    ) &
}
alone() {
    launch "$@"
    wait
}
pack() { tar -C "$work" -czf "$OUT/logs.tar.gz" --exclude=traces logs 2>/dev/null; }
remark_of() { # one line that says how it went
    local log=$logs/$1.log
    case $1 in
    # Counted test by test, so that it holds for a run that was stopped, too.
    tests | order) awk '/short test summary/ {exit}
            match($0, /(PASSED|FAILED|ERROR|SKIPPED|XFAIL)/) && /::/ {n[substr($0, RSTART, RLENGTH)]++}
            END {printf "%d passed, %d failed, %d errors, %d skipped; ", n["PASSED"], n["FAILED"], n["ERROR"], n["SKIPPED"]}' "$log"
        grep . "$log" | tail -n 1 | cut -c1-110 ;;
    *) { grep "^RESULT" "$log" || grep . "$log"; } 2>/dev/null | tail -n 1 | sed 's/^RESULT //' | cut -c1-200 ;;
    esac
}

build() {
    set -e
    cc=$(command -v gcc || command -v cc) && "$cc" -shared -fPIC -O2 -o "$work/drivercalls.so" "$carried/drivercalls.c" -ldl || echo "drivercalls.so was not built"
    if [ ! -e "$work/installed" ]; then
        rm -rf "$site" "$work/headers"
        # All in one command: OpenMM and its CUDA platform share a folder, which a second command would replace.
        "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check --target "$site" "$carried"/wheels/*.whl
        for wheel in "$carried"/headers/*.whl; do
            "$python" -m zipfile -e "$wheel" "$work/headers"
        done
        test -n "$(find "$work/headers" -path '*/CL/opencl.h')" || echo "MISSING: CL/opencl.h, run prepare.sh again"
        touch "$work/installed"
    fi
    echo "wheels installed after $SECONDS s"
    nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used,clocks.max.sm,ecc.mode.current --format=csv,noheader || true
    for program in nvcc c++ cmake ninja ncu; do
        echo "$program: $(command -v $program || echo MISSING) $({ $program --version 2>/dev/null || true; } | grep -m1 -E '[0-9]+\.[0-9]')"
    done
    echo "LD_LIBRARY_PATH=$LD_LIBRARY_PATH"
    rm -rf "$site"/openmm_polarmp* # what changes from run to run; the build folder stays
    pip_install=("$python" -m pip install --no-index --no-deps --no-cache-dir --disable-pip-version-check --target "$site")
    include=$(dirname "$(find "$work/headers" -name builtin_types.h | head -n 1)")
    opencl=$(dirname "$(dirname "$(find "$work/headers" -path '*/CL/opencl.h' | head -n 1)")")
    how="built here"
    [ -z "${POLARMP_GPU_PREBUILT:-}" ] && (cd "$root" && "${pip_install[@]}" --no-build-isolation -C cmake.define.CUDA_INCLUDE_DIR="$include" -C cmake.define.OPENCL_INCLUDE_DIR="$opencl" .) ||
        { how="NOT built here: the wheel that was brought is used" && "${pip_install[@]}" "$carried"/prebuilt/*.whl; }
    echo "plugin installed after $SECONDS s"
    ls -l "$site"/openmm_polarmp/lib/plugins
    "$python" - "$how" <<'PY'
import importlib.metadata as metadata
import sys

import openmm

import openmm_polarmp
from openmm_polarmp._platforms.loading import platform_status

for name in ("torch", "numpy", "e3nn", "nanobind", "scikit-build-core", "openmm", "OpenMM-CUDA-13", "openmmml", "openmm-polarmp", "pytest", "pytest-xdist",
             "nvidia-cuda-nvrtc", "nvidia-cufft", "nvidia-cuda-runtime", "triton"):
    try:
        print(name, metadata.version(name), end="; ")
    except metadata.PackageNotFoundError:
        print(name, "MISSING", end="; ")
print("\nOpenMM's own plugins that did not load:", openmm.Platform.getPluginLoadFailures())
print(f"RESULT {sys.argv[1]}; " + "; ".join(f"{s.name} {'loaded' if s.loaded else s.reason}" for s in platform_status()))
PY
    "$python" -m openmm_polarmp check || true
}
tests() { # all that is marked with this platform; not those for a machine without a GPU
    cd "$root/tests"
    limit=$("$python" -c "import pytest_timeout" 2>/dev/null && echo "--timeout 60") # a test that hangs does not take the others with it
    # The most telling first; --dist load hands tests out in this order.
    paths=$(for p in cuda force mlpotential md torchforce; do [ -e $p ] && echo $p; done)
    paths+=" $(ls -d */ | sed 's:/$::' | grep -vxE 'cuda|force|mlpotential|md|torchforce|support|__pycache__')"
    paths+=" --ignore=cuda/test_compile.py --ignore=cuda/test_order.py --ignore=force/test_oclgrind.py"
    OMP_NUM_THREADS=1 "$python" -m pytest -v --tb=short -p no:cacheprovider -o filterwarnings=default $limit -n "${POLARMP_GPU_WORKERS:-8}" --dist load --maxschedchunk 2 \
        --durations 12 --continue-on-collection-errors -k "$keyword" $paths
}
order() {
    cd "$root/tests"
    "$python" -m pytest -v --tb=short -p no:cacheprovider -o filterwarnings=default cuda/test_order.py
}
export -f build tests order

wanted=" ${*:-smoke tests order handover dynamics bench profile kernels} "
wants() { [[ $wanted == *" $1 "* ]]; }
alone build 120 bash -c build
pack
wants smoke && launch smoke 85 "$python" "$carried/smoke.py" "$platform"
wants tests && launch tests "${POLARMP_GPU_TESTS_SECONDS:-90}" bash -c tests
wants dynamics && launch dynamics 85 "$python" "$carried/dynamics.py" "$platform" all "${POLARMP_GPU_ENDURANCE:-15}"
wants order && launch order 60 bash -c order
wants handover && launch handover 25 "$python" "$carried/handover.py"
wait
pack
wants bench && alone bench "${POLARMP_GPU_BENCH_SECONDS:-110}" "$python" "$carried/bench.py" "$platform" $atoms
wants profile && alone profile 70 "$python" "$carried/profiled.py" "$platform" $profile_atoms
wants kernels && alone kernels 75 "$python" "$carried/kernels.py" "$platform" "${profile_atoms##* }"
pack
tar -C "$logs" -czf "$OUT/traces.tar.gz" traces 2>/dev/null
(($(stat -c %s "$OUT/traces.tar.gz" 2>/dev/null || echo 0) > 15000000)) && rm -f "$OUT/traces.tar.gz"

excerpt() { # name lines: what matters of its log
    local log=$logs/$1.log pattern
    case $1 in
    build) pattern='error|Error|MISSING|^RESULT|NVIDIA|not here|works' ;;
    tests | order) pattern='(\] |:: *|^)(FAILED|ERROR)|::.* (FAILED|ERROR)|^E  ' ;;
    smoke | dynamics) pattern='^case .*(WRONG|FAILED|DIED|NOT|DIFFER|differ|GROWS|no waits|endurance|in a row|same bit)|^==== .*(SIGNAL|STOPPED|exit [1-9-])' ;;
    profile) pattern='^\||^== |^case|^  (host|calls|waits|busy)|    [0-9. ]{9} us ' ;;
    kernels) pattern='^\||^case|rror' ;;
    *) pattern='^(RESULT|case|\|)' ;;
    esac
    grep -E "$pattern" "$log" | sed -E 's/^ +\[[^]]*\] ==/==/' | cut -c1-"${3:-200}" | head -n "$2"
}
{
    for name in "${started[@]}"; do
        echo "---- $name"
        excerpt "$name" 400 400
    done
} >"$OUT/summary.txt"
short() { # what fits into the end of an answer
    for name in "${started[@]}"; do
        echo "---- $name"
        case $name in
        profile) grep -E '^\| |^  (host|calls)' "$logs/profile.log" | cut -c1-330 ;;
        kernels) excerpt kernels 26 190 ;;
        bench) excerpt bench 60 140 ;;
        tests) excerpt tests 16 150 ;;
        *) excerpt "$name" 14 190 ;;
        esac
    done
}
{
    echo "---- summary"
    printf '%-9s %4s %4s %5s  %s\n' stage exit s until ""
    for name in "${started[@]}"; do
        read -r code spent until <"$logs/$name.code" 2>/dev/null || code=? spent=? until=?
        printf '%-9s %4s %4s %5s  %s\n' "$name" "$code" "$spent" "$until" "$(remark_of "$name")"
    done
} | tee -a "$OUT/summary.txt" >"$work/table.txt"
short | tail -c 9500
cat "$work/table.txt"
