/* A CUDA driver and cuFFT without a device, for one purpose: OpenMM's CUDA platform loads, and the real NVRTC compiles
   our kernels. Memory is the host's, launches do nothing: nothing can be said about results. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API(name, ...) int name(__VA_ARGS__)
typedef unsigned long long ptr;

API(cuInit, unsigned flags) { return 0; }
/* NVRTC looks for the driver's private tables here; OpenMM does not. There are none. */
API(cuGetExportTable, const void** table, const void* id) { *table = NULL; return 500; }
API(cuDriverGetVersion, int* v) { *v = 13000; return 0; }
API(cuDeviceGetCount, int* n) { *n = 1; return 0; }
API(cuDeviceGet, int* d, int i) { *d = i; return 0; }
API(cuDeviceGetName, char* name, int n, int d) { strncpy(name, "stub", n); return 0; }
API(cuDeviceGetAttribute, int* value, int attribute, int d) {
    switch (attribute) {
        case 1: *value = 1024; break;    /* threads per block */
        case 8: *value = 49152; break;   /* shared memory per block */
        case 10: *value = 32; break;     /* warp size */
        case 16: *value = 132; break;    /* multiprocessors */
        case 75: *value = 9; break;      /* compute capability 9.0 */
        case 76: *value = 0; break;
        default: *value = 1;
    }
    return 0;
}
API(cuDeviceCanAccessPeer, int* can, int a, int b) { *can = 0; return 0; }
static int context;
API(cuCtxCreate_v4, void** c, void* p, unsigned f, int d) { *c = &context; return 0; }
API(cuCtxDestroy_v2, void* c) { return 0; }
API(cuCtxEnablePeerAccess, void* c, unsigned f) { return 0; }
API(cuCtxPopCurrent_v2, void** c) { *c = &context; return 0; }
API(cuCtxPushCurrent_v2, void* c) { return 0; }
API(cuCtxSetCacheConfig, int c) { return 0; }
API(cuCtxSetCurrent, void* c) { return 0; }
API(cuCtxSynchronize, void) { return 0; }
API(cuDevicePrimaryCtxRetain, void** c, int d) { *c = &context; return 0; }
API(cuDevicePrimaryCtxRelease_v2, int d) { return 0; }
API(cuEventCreate, void** e, unsigned f) { *e = &context; return 0; }
API(cuEventDestroy_v2, void* e) { return 0; }
API(cuEventRecord, void* e, void* s) { return 0; }
API(cuEventSynchronize, void* e) { return 0; }
API(cuStreamCreate, void** s, unsigned f) { *s = &context; return 0; }
API(cuStreamDestroy_v2, void* s) { return 0; }
API(cuStreamSynchronize, void* s) { return 0; }
API(cuStreamWaitEvent, void* s, void* e, unsigned f) { return 0; }
API(cuGetErrorName, int e, const char** name) { *name = "stub error"; return 0; }
API(cuProfilerStop, void) { return 0; }
API(cuMemAlloc_v2, ptr* p, size_t n) { *p = (ptr) calloc(n ? n : 1, 1); return 0; }
API(cuMemFree_v2, ptr p) { free((void*) p); return 0; }
API(cuMemHostAlloc, void** p, size_t n, unsigned f) { *p = calloc(n ? n : 1, 1); return 0; }
API(cuMemFreeHost, void* p) { free(p); return 0; }
API(cuMemHostGetDevicePointer_v2, ptr* d, void* h, unsigned f) { *d = (ptr) h; return 0; }
API(cuMemcpyDtoH_v2, void* h, ptr d, size_t n) { memcpy(h, (void*) d, n); return 0; }
API(cuMemcpyHtoD_v2, ptr d, const void* h, size_t n) { memcpy((void*) d, h, n); return 0; }
API(cuMemcpyDtoHAsync_v2, void* h, ptr d, size_t n, void* s) { memcpy(h, (void*) d, n); return 0; }
API(cuMemcpyHtoDAsync_v2, ptr d, const void* h, size_t n, void* s) { memcpy((void*) d, h, n); return 0; }
API(cuMemcpyDtoDAsync_v2, ptr a, ptr b, size_t n, void* s) { memmove((void*) a, (void*) b, n); return 0; }
API(cuMemcpyAsync, ptr a, ptr b, size_t n, void* s) { memmove((void*) a, (void*) b, n); return 0; }
/* A module is a copy of its PTX, so that asking for a kernel which is not in it fails. */
API(cuModuleLoadDataEx, void** m, const void* image, unsigned n, int* o, void** v) { *m = strdup(image); return 0; }
API(cuModuleLoad, void** m, const char* path) {
    FILE* file = fopen(path, "rb");
    if (file == NULL)
        return 301;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    char* text = calloc(size + 1, 1);
    rewind(file);
    size_t count = fread(text, 1, size, file);
    fclose(file);
    *m = text;
    return count == (size_t) size ? 0 : 301;
}
API(cuModuleGetFunction, void** f, void* m, const char* name) {
    char entry[256] = ".entry ";
    strncat(entry, name, 200);
    *f = m;
    return strstr(m, entry) == NULL ? 500 : 0;
}
API(cuFuncGetAttribute, int* v, int a, void* f) { *v = 1024; return 0; }
API(cuLaunchKernel, void* f, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned g, unsigned h, void* s, void** p, void** x) { return 0; }

API(cufftPlan3d, int* p, int x, int y, int z, int t) { *p = 1; return 0; }
API(cufftDestroy, int p) { return 0; }
API(cufftSetStream, int p, void* s) { return 0; }
API(cufftExecC2C, int p, void* a, void* b, int d) { return 0; }
API(cufftExecZ2Z, int p, void* a, void* b, int d) { return 0; }
API(cufftExecR2C, int p, void* a, void* b) { return 0; }
API(cufftExecC2R, int p, void* a, void* b) { return 0; }
API(cufftExecD2Z, int p, void* a, void* b) { return 0; }
API(cufftExecZ2D, int p, void* a, void* b) { return 0; }
