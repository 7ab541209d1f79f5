/* What the prebuilt library needs besides the code of the kernels: entries for Python, and the parts of Numba's run time that
   the code calls. build.py appends the tables of the functions. */

#define Py_LIMITED_API 0x030B0000 /* the library serves every later version of Python, too */
#include <Python.h>
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
    MemInfo *info = NULL;
    if (align < sizeof(void *)) align = sizeof(void *);
    size_t head = (sizeof(MemInfo) + align - 1) / align * align;
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

/* The C library has had its present code of these functions, without the handling of errors that nobody reads, since versions 2.27
   and 2.29. By the versions of their first symbols the library also runs with older ones, and the bits are the same. */
#ifdef __GLIBC__
#ifdef __x86_64__
#define FIRST "GLIBC_2.2.5"
#else
#define FIRST "GLIBC_2.17"
#endif
#define FIRST_SYMBOL(type, name, parameters, arguments) \
    extern type first_##name parameters; \
    __asm__(".symver first_" #name ", " #name "@" FIRST); \
    type name parameters { return first_##name arguments; }
FIRST_SYMBOL(float, expf, (float x), (x))
FIRST_SYMBOL(float, logf, (float x), (x))
FIRST_SYMBOL(double, exp, (double x), (x))
FIRST_SYMBOL(double, log, (double x), (x))
FIRST_SYMBOL(double, pow, (double x, double y), (x, y))
#endif

/* The interpreter's locks, on which threads of the pool sleep. */
int32_t pellucid_acquire_lock(void *lock, int32_t wait) { return PyThread_acquire_lock(lock, wait); }
void pellucid_release_lock(void *lock) { PyThread_release_lock(lock); }

#define MAX_KINDS 512
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

static int64_t replay(const int64_t *entries, int64_t first, int64_t last) {
    int64_t failed = -1;
    void *exception = NULL;
    compiled_replay(&failed, &exception, NULL, NULL, 2 * last, 8, entries, last, 2, 16, 8, first, last);
    return failed;
}

/* Copies x, and returns whether it has NaN or infinity, whose exponents have all bits. */
__attribute__((optimize("O3"))) static int copy(const uint32_t *x, uint32_t *memory, int64_t size) {
    uint32_t special = 0;
    for (int64_t i = 0; i < size; i++) {
        memory[i] = x[i];
        special |= (x[i] & 0x7f800000u) == 0x7f800000u;
    }
    return special;
}

/* A call from Python: words as in tape.py, code first, and the kinds of the arguments as in prebuilt.py. */
typedef struct {
    int64_t words[1 + FLOATS + INTEGERS];
    int floats, integers, length;
    char kinds[MAX_KINDS];
} Call;

static int append_integer(Call *call, int64_t word) {
    if (call->integers == INTEGERS) return -1;
    call->words[1 + FLOATS + call->integers++] = word;
    return 0;
}

static int append_float(Call *call, const void *value, size_t size) {
    if (call->floats == FLOATS) return -1;
    memcpy(&call->words[1 + call->floats++], value, size);
    return 0;
}

static int append_kind(Call *call, const char *kind) {
    size_t size = strlen(kind);
    if (call->length + size + 1 >= MAX_KINDS) return -1;
    memcpy(call->kinds + call->length, kind, size);
    call->length += size;
    return 0;
}

static const char *name_of(const Py_buffer *view) {
    const char *format = view->format;
    if (format && format[0] == '=') format++; /* of an array that is not aligned */
    if (!format || !format[0] || format[1]) return NULL;
    switch (format[0]) {
    case '?': return "b1";
    case 'B': return "u1";
    case 'f': return "f4";
    case 'd': return "f8";
    case 'I': return "u4";
    case 'l': case 'q': return view->itemsize == 8 ? "i8" : NULL;
    case 'L': case 'Q': return view->itemsize == 8 ? "u8" : NULL;
    }
    return NULL;
}

/* An array, or a scalar of NumPy. */
static int append_view(Call *call, const Py_buffer *view) {
    const char *name = name_of(view);
    if (!name || append_kind(call, name)) return -1;
    if (view->ndim == 0) {
        uint64_t word = 0;
        memcpy(&word, view->buf, view->itemsize);
        return name[0] == 'f' ? append_float(call, &word, 8) : append_integer(call, word);
    }
    char shape[] = {'x', '0' + view->ndim, PyBuffer_IsContiguous(view, 'C') ? 0 : 'A', 0};
    if (view->ndim > 9 || append_kind(call, shape)) return -1;
    /* no owner and no parent: the caller keeps the array */
    if (append_integer(call, 0) || append_integer(call, 0) || append_integer(call, view->len / view->itemsize) ||
        append_integer(call, view->itemsize) || append_integer(call, (int64_t)view->buf))
        return -1;
    for (int k = 0; k < view->ndim; k++)
        if (append_integer(call, view->shape[k])) return -1;
    for (int k = 0; k < view->ndim; k++)
        if (append_integer(call, view->strides[k])) return -1;
    return 0;
}

static int append(Call *call, PyObject *value);

static int append_items(Call *call, PyObject *tuple, const char *separator) {
    Py_ssize_t count = PyTuple_Size(tuple);
    for (Py_ssize_t k = 0; k < count; k++)
        if ((k && append_kind(call, separator)) || append(call, PyTuple_GetItem(tuple, k))) return -1;
    return 0;
}

static int append(Call *call, PyObject *value) {
    if (PyFloat_Check(value)) {
        double number = PyFloat_AsDouble(value);
        return append_kind(call, "f8") || append_float(call, &number, 8) ? -1 : 0;
    }
    if (PyLong_Check(value)) {
        long long number = PyLong_AsLongLong(value);
        if (number == -1 && PyErr_Occurred()) return -1;
        return append_kind(call, PyBool_Check(value) ? "b1" : "i8") || append_integer(call, number) ? -1 : 0;
    }
    if (PyTuple_Check(value)) {
        if (Py_TYPE(value) == &PyTuple_Type)
            return append_kind(call, "(") || append_items(call, value, ",") || append_kind(call, ")") ? -1 : 0;
        int length = call->length; /* of all named tuples, kernels know the window alone */
        if (append_items(call, value, ",")) return -1;
        call->length = length;
        return append_kind(call, "Window");
    }
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_RECORDS_RO)) return -1;
    int failed = append_view(call, &view);
    PyBuffer_Release(&view);
    return failed;
}

/* call(codes, arguments): call a function, given as a dictionary from kinds to (address, kind of the result). Returns NotImplemented
   if there is no code for the kinds of the arguments. */
static PyObject *py_call(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    if (count != 2) return PyErr_Format(PyExc_TypeError, "call(codes, arguments)");
    Call call;
    call.integers = 2;
    call.floats = call.length = 0;
    if (append_items(&call, given[1], " ")) {
        PyErr_Clear();
        return Py_NewRef(Py_NotImplemented);
    }
    PyObject *key = PyUnicode_FromStringAndSize(call.kinds, call.length);
    if (!key) return NULL;
    PyObject *code = PyDict_GetItemWithError(given[0], key);
    Py_DecRef(key);
    if (!code) return PyErr_Occurred() ? NULL : Py_NewRef(Py_NotImplemented);
    union { int64_t integer; double number; } result = {0};
    void *exception = NULL; /* kernels raise none */
    call.words[0] = (int64_t)PyLong_AsVoidPtr(PyTuple_GetItem(code, 0));
    call.words[1 + FLOATS] = (int64_t)&result;
    call.words[2 + FLOATS] = (int64_t)&exception;
    int64_t entry[2] = {(int64_t)call.words, SIZE_OF(call.integers)}, failed;
    Py_BEGIN_ALLOW_THREADS
    failed = replay(entry, 0, 1) >= 0;
    Py_END_ALLOW_THREADS
    if (failed) return PyErr_NoMemory();
    PyObject *kind = PyTuple_GetItem(code, 1);
    if (!PyUnicode_CompareWithASCIIString(kind, "none")) return Py_NewRef(Py_None);
    if (!PyUnicode_CompareWithASCIIString(kind, "f8")) return PyFloat_FromDouble(result.number);
    return PyLong_FromLongLong(result.integer);
}

/* The address of the entries of a tape, and which of them are replayed: the last three arguments. */
static int read_part(PyObject *const *given, const int64_t **entries, int64_t *first, int64_t *last) {
    *entries = PyLong_AsVoidPtr(given[0]);
    *first = PyLong_AsLongLong(given[1]);
    *last = PyLong_AsLongLong(given[2]);
    return PyErr_Occurred() ? -1 : 0;
}

/* replay(entries, first, last): _replay in tape.py. */
static PyObject *py_replay(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    const int64_t *entries;
    int64_t first, last, failed;
    if (count != 3) return PyErr_Format(PyExc_TypeError, "replay(entries, first, last)");
    if (read_part(given, &entries, &first, &last)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = replay(entries, first, last);
    Py_END_ALLOW_THREADS
    return PyLong_FromLongLong(failed);
}

/* replay_with(x, memory, entries, first, last): _replay_with in tape.py, for contiguous arrays of float32. */
static PyObject *py_replay_with(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    const int64_t *entries;
    int64_t first, last, failed;
    Py_buffer x, memory;
    if (count != 5) return PyErr_Format(PyExc_TypeError, "replay_with(x, memory, entries, first, last)");
    if (read_part(given + 2, &entries, &first, &last) || PyObject_GetBuffer(given[0], &x, PyBUF_SIMPLE)) return NULL;
    if (PyObject_GetBuffer(given[1], &memory, PyBUF_WRITABLE)) {
        PyBuffer_Release(&x);
        return NULL;
    }
    int fit = x.len == memory.len;
    Py_BEGIN_ALLOW_THREADS
    failed = !fit || copy(x.buf, memory.buf, x.len / 4) ? first : replay(entries, first, last);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&x);
    PyBuffer_Release(&memory);
    return fit ? PyLong_FromLongLong(failed) : PyErr_Format(PyExc_ValueError, "x and memory have different sizes");
}

#define FAST(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL}

/* The functions for Python: built-in ones, whose calls take a tenth of the time of those that ctypes makes. */
EXPORT PyObject *pellucid_entries(void) {
    static PyMethodDef methods[] = {FAST(call), FAST(replay), FAST(replay_with)};
    PyObject *entries = PyTuple_New(3);
    for (int k = 0; entries && k < 3; k++) {
        PyObject *function = PyCFunction_NewEx(&methods[k], NULL, NULL);
        if (!function || PyTuple_SetItem(entries, k, function)) return NULL;
    }
    return entries;
}
