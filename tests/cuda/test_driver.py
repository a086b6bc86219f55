"""What `polarmp check` says of a driver that is older than the compiler of the kernels; without a GPU, on the stub of the driver."""

import subprocess
import sys
from importlib import metadata

from support.cuda_stub import stub_environment

# The stub says that it is a driver for CUDA 13.0, but would load anything.
REFUSES = """
int cuModuleLoad(void** m, const char* path) { return 222; }
int cuModuleLoadDataEx(void** m, const void* image, unsigned n, int* o, void** v) { return 222; }
int cuGetErrorName(int e, const char** name) { *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; return 0; }
"""
CODE = "from openmm_polarmp._platforms.trial import try_platform; print(*try_platform('CUDA'))"


def test_a_driver_older_than_the_compiler_is_named(tmp_path):
    environment = stub_environment(tmp_path)
    source, library = tmp_path / "refuses.c", tmp_path / "refuses.so"
    source.write_text(REFUSES)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    environment["LD_PRELOAD"] = str(library)
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, timeout=300)
    assert "UNSUPPORTED_PTX_VERSION" in done.stdout, done.stdout + done.stderr
    nvrtc = tuple(int(x) for x in metadata.version("nvidia-cuda-nvrtc").split(".")[:2])
    if nvrtc > (13, 0):
        assert "this driver, made for CUDA 13.0, does not load: update the driver" in done.stdout
        assert "pip install 'nvidia-cuda-nvrtc==13.0.*'" in done.stdout
