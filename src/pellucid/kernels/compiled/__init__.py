"""The compiled kernels: in Numba, with the names and signatures of :class:`~pellucid.kernels.interface.Kernels`.

Files whose names also exist in ``reference`` contain kernels; the docstrings of the reference kernels have the formulas. The
other files contain what these kernels are built on:

=====================  ======================================================================================================
``toolchain``          Numba and LLVM, or nothing where the prebuilt library is used
``jit``                the compiler's options and the cache on disk
``thread_pool``        ``parallel_for``, which splits a kernel into tasks for several threads
``atomics``            64-bit cells that threads share, and locks: for the thread pool
``indirect_calls``     calls of compiled functions through their addresses
``compiler_thread``    the thread that compiles
``simd``               code on SIMD vectors, in LLVM's intermediate language
``vector_math``        formulas with exp and tanh on SIMD vectors
``ordered``            sums and differences that the compiler does not reorder
``micro_kernel``       the register tile, the innermost loop of every matrix product
``matmul``             packing, and matrix products in parallel
``thin_products``      products with few rows or short sums
``reductions``         sums over a batch: gradients of weights and biases
``channelwise``        loops and sums over arrays with few channels
``conv_…``             the algorithms of convolution: direct, im2col, Winograd, depthwise
``in_place``           gradients in the memory of the upstream gradient
``pooling_simd``       the innermost loops of pooling
=====================  ======================================================================================================
"""

from pellucid.kernels import reference
from pellucid.kernels.compiled.jit import announce_compilation as announce_compilation
from pellucid.kernels.compiled.tape import recorder as recorder
from pellucid.kernels.compiled.thread_pool import (
    cache_folder as cache_folder,
    compile_pool as compile_pool,
    set_num_threads as set_num_threads,
)
from pellucid.kernels.compiled.toolchain import library
from pellucid.kernels.interface import import_kernels
from pellucid.kernels.prebuilt import with_fallback

_kernels = import_kernels(__name__)
if library is not None:
    _kernels = {name: with_fallback(kernel, getattr(reference, name)) for name, kernel in _kernels.items()}
globals().update(_kernels)
