/* What the prebuilt library needs besides the code of the kernels: entries for Python, and the parts of Numba's run time that
   the code calls. build.py appends the tables of the functions. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Numba's owner of an array's memory; compiled code reads and changes refct and data. */
typedef struct {
    size_t refct;
    void (*dtor)(void *, size_t, void *);
    void *dtor_info, *data;
    size_t size;
    void *external_allocator;
} MemInfo;

MemInfo *NRT_MemInfo_alloc_aligned(size_t size, uint32_t align) {
    size_t head = (sizeof(MemInfo) + align - 1) / align * align;
    MemInfo *info = NULL;
    if (align < sizeof(void *)) align = sizeof(void *);
    if (posix_memalign((void **)&info, align, head + size)) return NULL;
    memset(info, 0, sizeof *info);
    info->refct = 1;
    info->data = (char *)info + head;
    info->size = size;
    return info;
}

MemInfo *NRT_MemInfo_alloc_safe_aligned(size_t size, uint32_t align) { return NRT_MemInfo_alloc_aligned(size, align); }
MemInfo *NRT_MemInfo_alloc(size_t size) { return NRT_MemInfo_alloc_aligned(size, 16); }
MemInfo *NRT_MemInfo_alloc_safe(size_t size) { return NRT_MemInfo_alloc_aligned(size, 16); }

void NRT_MemInfo_call_dtor(MemInfo *info) {
    if (info->dtor && !info->external_allocator) info->dtor(info->data, info->size, info->dtor_info);
    free(info);
}

void *NRT_Allocate(size_t size) { return malloc(size); }
void NRT_Free(void *memory) { free(memory); }

/* Numba reshapes contiguous arrays only: the new strides are those of the new shape. Returns 1, for success. */
int numba_attempt_nocopy_reshape(intptr_t nd, const intptr_t *dims, const intptr_t *strides, intptr_t new_nd,
                                 const intptr_t *new_dims, intptr_t *new_strides, intptr_t itemsize, int is_f_order) {
    intptr_t stride = itemsize;
    for (intptr_t k = new_nd - 1; k >= 0; k--) {
        new_strides[k] = stride;
        stride *= new_dims[k];
    }
    return 1;
}

/* The interpreter's locks, on which threads of the pool sleep. */
extern int PyThread_acquire_lock(void *, int);
extern void PyThread_release_lock(void *);
int32_t pellucid_acquire_lock(void *lock, int32_t wait) { return PyThread_acquire_lock(lock, wait); }
void pellucid_release_lock(void *lock) { PyThread_release_lock(lock); }

#define EXPORT __attribute__((visibility("default")))

EXPORT int64_t pellucid_cells[CELLS] __attribute__((aligned(64)));
EXPORT int64_t pellucid_vector_bytes = VECTOR_BYTES;

EXPORT int pellucid_runs_here(void) {
#ifdef CPU
    __builtin_cpu_init();
    return !!__builtin_cpu_supports(CPU);
#else
    return 1;
#endif
}

/* tape._replay, as Numba compiled it: the result, an exception, an array (owner, parent, size, itemsize, data, shape, strides),
   and two integers. */
extern int32_t compiled_replay(int64_t *, void **, void *, void *, int64_t, int64_t, const int64_t *, int64_t, int64_t, int64_t,
                               int64_t, int64_t, int64_t) __asm__(REPLAY);

EXPORT int64_t pellucid_replay(const int64_t *entries, int64_t first, int64_t last) {
    int64_t failed = -1;
    void *exception = NULL;
    compiled_replay(&failed, &exception, NULL, NULL, 2 * last, 8, entries, last, 2, 16, 8, first, last);
    return failed;
}

EXPORT int32_t pellucid_call(const int64_t *words, int64_t size) {
    int64_t entry[2] = {(int64_t)words, size};
    return pellucid_replay(entry, 0, 1) >= 0;
}
