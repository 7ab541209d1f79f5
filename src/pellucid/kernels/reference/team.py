"""Threads inside kernels: the reference kernels have none but BLAS's own."""


def ready(threads: int) -> None:
    """Tells the kernels that work for so many threads is coming."""
