"""The functions that exported C and JavaScript contain, with the same names and arguments in both languages.

An export contains the source text of those that its network needs. Arrays are contiguous, one sample at a time, with channels
or features last. C functions add no memory of their own and use nothing but math.h, stdint.h and string.h. A C function that
can refuse its input returns 1 in that case; in JavaScript it throws a RangeError.
"""
