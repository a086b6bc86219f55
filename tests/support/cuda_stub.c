/* A CUDA driver and cuFFT without a device. OpenMM's CUDA platform loads, so that the real NVRTC compiles our kernels; calls
   in the wrong context fail as they do in a real driver; and calls that make the host wait are written down. Memory is the
   host's, launches do nothing: nothing can be said about results. */
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

/* Contexts. Each thread has a stack of them. A kernel, an event and a stream belong to the context in which they were made. */
enum { INVALID_CONTEXT = 201, INVALID_HANDLE = 400 };
struct context { const char* name; };
struct owned { struct context* owner; char* text; };
static struct context primary = {"primary"};
static __thread struct context* stack[64];
static __thread int depth;
static struct context* current(void) { return depth == 0 ? NULL : stack[depth - 1]; }
static void* own(char* text) {
    struct owned* object = calloc(1, sizeof(struct owned));
    object->owner = current();
    object->text = text;
    return object;
}
/* Events that are recorded and waited for, calls for which the host stops, and between them what a test marks itself. */
static char calls[1 << 16];
void stub_mark(const char* call) {
    size_t used = strlen(calls);
    snprintf(calls + used, sizeof(calls) - used, "%s\n", call);
}
const char* stub_calls(void) { return calls; }
void stub_forget(void) { calls[0] = 0; }
#define NEED_CONTEXT if (current() == NULL) return INVALID_CONTEXT

API(cuCtxPushCurrent_v2, void* c) { stack[depth++] = c; return 0; }
API(cuCtxPopCurrent_v2, void** c) { NEED_CONTEXT; *c = stack[--depth]; return 0; }
API(cuCtxGetCurrent, void** c) { *c = current(); return 0; }
API(cuCtxSetCurrent, void* c) {
    depth -= (depth > 0);
    if (c != NULL)
        stack[depth++] = c;
    return 0;
}
API(cuCtxCreate_v4, void** c, void* p, unsigned f, int d) {
    struct context* made = calloc(1, sizeof(struct context));
    made->name = "private";
    *c = made;
    return cuCtxPushCurrent_v2(made);
}
API(cuCtxDestroy_v2, void* c) { depth -= (current() == c); return 0; }
API(cuCtxEnablePeerAccess, void* c, unsigned f) { return 0; }
API(cuCtxSetCacheConfig, int c) { NEED_CONTEXT; return 0; }
API(cuCtxSynchronize, void) { NEED_CONTEXT; stub_mark("stop: cuCtxSynchronize"); return 0; }
API(cuDevicePrimaryCtxRetain, void** c, int d) { *c = &primary; return 0; }
API(cuDevicePrimaryCtxRelease_v2, int d) { return 0; }
API(cuStreamCreate, void** s, unsigned f) { NEED_CONTEXT; *s = own(NULL); return 0; }
API(cuStreamDestroy_v2, void* s) { return 0; }
API(cuStreamSynchronize, void* s) { NEED_CONTEXT; stub_mark("stop: cuStreamSynchronize"); return 0; }
API(cuEventCreate, void** e, unsigned f) { NEED_CONTEXT; *e = own(NULL); return 0; }
API(cuEventDestroy_v2, void* e) { return 0; }
API(cuEventSynchronize, void* e) { return 0; }
API(cuEventRecord, struct owned* event, struct owned* stream) {
    NEED_CONTEXT;
    if (event->owner != (stream == NULL ? current() : stream->owner))
        return INVALID_HANDLE;
    stub_mark(event->owner == &primary ? "record primary" : "record private");
    return 0;
}
API(cuStreamWaitEvent, struct owned* stream, struct owned* event, unsigned f) {
    NEED_CONTEXT;
    stub_mark((stream == NULL ? current() : stream->owner) == &primary ? "wait primary" : "wait private");
    return 0;
}
API(cuGetErrorName, int e, const char** name) { *name = "stub error"; return 0; }
API(cuProfilerStop, void) { return 0; }
API(cuMemAlloc_v2, ptr* p, size_t n) { NEED_CONTEXT; *p = (ptr) calloc(n ? n : 1, 1); return 0; }
API(cuMemFree_v2, ptr p) { NEED_CONTEXT; free((void*) p); return 0; }
/* Page-locked memory is told by where it lies. Copies to other memory stop the host, also those that are called asynchronous. */
static char locked[1 << 26];
static size_t used;
static int is_locked(const void* p) { return (const char*) p >= locked && (const char*) p < locked + sizeof(locked); }
API(cuMemHostAlloc, void** p, size_t n, unsigned f) {
    NEED_CONTEXT;
    if (used + n > sizeof(locked))
        return 2;
    *p = locked + used;
    used += (n + 255) / 256 * 256;
    return 0;
}
API(cuMemFreeHost, void* p) { NEED_CONTEXT; return 0; }
API(cuMemHostGetDevicePointer_v2, ptr* d, void* h, unsigned f) { *d = (ptr) h; return 0; }
API(cuMemcpyDtoH_v2, void* h, ptr d, size_t n) { NEED_CONTEXT; stub_mark("stop: cuMemcpyDtoH"); memcpy(h, (void*) d, n); return 0; }
API(cuMemcpyHtoD_v2, ptr d, const void* h, size_t n) { NEED_CONTEXT; stub_mark("stop: cuMemcpyHtoD"); memcpy((void*) d, h, n); return 0; }
API(cuMemcpyDtoHAsync_v2, void* h, ptr d, size_t n, void* s) {
    NEED_CONTEXT;
    if (!is_locked(h))
        stub_mark("stop: cuMemcpyDtoHAsync to memory that is not page-locked");
    memcpy(h, (void*) d, n);
    return 0;
}
API(cuMemcpyHtoDAsync_v2, ptr d, const void* h, size_t n, void* s) { NEED_CONTEXT; memcpy((void*) d, h, n); return 0; }
API(cuMemcpyDtoDAsync_v2, ptr a, ptr b, size_t n, void* s) { NEED_CONTEXT; memmove((void*) a, (void*) b, n); return 0; }
API(cuMemcpyAsync, ptr a, ptr b, size_t n, void* s) { memmove((void*) a, (void*) b, n); return 0; }
/* A module is a copy of its PTX, so that asking for a kernel which is not in it fails. */
API(cuModuleLoadDataEx, void** m, const void* image, unsigned n, int* o, void** v) { NEED_CONTEXT; *m = own(strdup(image)); return 0; }
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
    *m = own(text);
    return count == (size_t) size ? 0 : 301;
}
API(cuModuleGetFunction, void** f, struct owned* m, const char* name) {
    char entry[256] = ".entry ";
    strncat(entry, name, 200);
    *f = m;
    return strstr(m->text, entry) == NULL ? 500 : 0;
}
API(cuFuncGetAttribute, int* v, int a, void* f) { *v = 1024; return 0; }
API(cuLaunchKernel, struct owned* f, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned g, unsigned h, void* s, void** p, void** x) {
    return f->owner == current() ? 0 : INVALID_HANDLE;
}

API(cufftPlan3d, int* p, int x, int y, int z, int t) { *p = 1; return 0; }
API(cufftDestroy, int p) { return 0; }
API(cufftSetStream, int p, void* s) { return 0; }
API(cufftExecC2C, int p, void* a, void* b, int d) { return 0; }
API(cufftExecZ2Z, int p, void* a, void* b, int d) { return 0; }
API(cufftExecR2C, int p, void* a, void* b) { return 0; }
API(cufftExecC2R, int p, void* a, void* b) { return 0; }
API(cufftExecD2Z, int p, void* a, void* b) { return 0; }
API(cufftExecZ2D, int p, void* a, void* b) { return 0; }
