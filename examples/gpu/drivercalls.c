/* Counts what a program asks of the CUDA driver, and how long it waits there: LD_PRELOAD=./drivercalls.so
 *
 * OpenMM and the plugin call the driver by name and are seen here; torch finds its functions through cuGetProcAddress and is
 * not, so that the numbers are OpenMM's and the plugin's own. drivercalls_take() copies the numbers and starts anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef intptr_t W;

#define FUNCTIONS(X) \
    X(cuCtxSynchronize) X(cuStreamSynchronize) X(cuEventSynchronize) X(cuEventQuery) X(cuStreamQuery) \
    X(cuMemcpyDtoH_v2) X(cuMemcpyHtoD_v2) X(cuMemcpyDtoD_v2) X(cuMemcpyDtoHAsync_v2) X(cuMemcpyHtoDAsync_v2) X(cuMemcpyDtoDAsync_v2) X(cuMemcpyAsync) X(cuFuncGetAttribute) \
    X(cuMemAlloc_v2) X(cuMemFree_v2) X(cuMemHostAlloc) X(cuMemFreeHost) X(cuLaunchKernel) X(cuEventRecord) X(cuStreamWaitEvent) \
    X(cuCtxPushCurrent_v2) X(cuCtxPopCurrent_v2) X(cuCtxSetCurrent) X(cuMemsetD8Async) X(cuMemsetD32Async) X(cuMemsetD8_v2) X(cuMemsetD32_v2) \
    X(cuModuleLoadDataEx) X(cuModuleLoad) X(cuGraphLaunch)

enum {
#define X(name) I_##name,
    FUNCTIONS(X)
#undef X
    COUNT
};
static const char* names[COUNT] = {
#define X(name) #name,
    FUNCTIONS(X)
#undef X
};
static long counts[COUNT];
static double seconds[COUNT];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Arguments of the driver's functions are integers and pointers, at most eleven of them (cuLaunchKernel). */
#define X(name) \
    int name(W a, W b, W c, W d, W e, W f, W g, W h, W i, W j, W k) { \
        static int (*real)(W, W, W, W, W, W, W, W, W, W, W); \
        if (real == 0) { \
            void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL); \
            real = (int (*)(W, W, W, W, W, W, W, W, W, W, W))dlsym(driver, #name); \
        } \
        double start = now(); \
        int status = real(a, b, c, d, e, f, g, h, i, j, k); \
        seconds[I_##name] += now() - start; \
        counts[I_##name]++; \
        return status; \
    }
FUNCTIONS(X)
#undef X

int drivercalls_take(char* name_list, int size, long* count_list, double* seconds_list) {
    name_list[0] = 0;
    for (int i = 0; i < COUNT; i++) {
        strncat(name_list, names[i], size - strlen(name_list) - 2);
        strcat(name_list, " ");
    }
    memcpy(count_list, counts, sizeof counts);
    memcpy(seconds_list, seconds, sizeof seconds);
    memset(counts, 0, sizeof counts);
    memset(seconds, 0, sizeof seconds);
    return COUNT;
}
