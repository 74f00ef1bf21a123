"""Sixty-four grid points as one machine word: the sets that the walk over a grid needs, and their arithmetic.

Bit k of a row's words is the point k of that row of the grid (its last index). Which neighbours are higher, who
shares a basin: each is one bit a point, so that a set of a whole grid stays in the cache, and one instruction
works on 64 points. Bits behind the end of a row are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core import cgutils

from basinet.compiled import jit

# numba's extension interface is untyped, and hands its arguments to `codegen` by position.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
# ruff: noqa: ANN001, ANN002, ANN201, ANN202, ARG001


# Declared by numba as if callers passed the typing context themselves.
intrinsic: Any = extending.intrinsic

WORD = 64
"""Points in a word."""

LANES = 8
"""Words compared or tested by one vector instruction."""

ZERO, ONE, ALL = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)

I8, I64 = ir.IntType(8), ir.IntType(64)


def element_pointer(context, builder, array_type, array, index):
    """LLVM pointer to one element of a C-contiguous array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def call_unary(builder, name, value, *flags):
    """Call one of LLVM's bit counters on a 64-bit integer."""
    function_type = ir.FunctionType(I64, [I64, *(flag.type for flag in flags)])
    function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.i64")
    return builder.call(function, [value, *flags])


@intrinsic
def count(typing_context, word):
    """Number of points in a word."""

    def codegen(context, builder, signature, arguments):
        return call_unary(builder, "ctpop", arguments[0])

    return types.int64(types.uint64), codegen


@intrinsic
def lowest(typing_context, word):
    """Position of the first point in a word; 64 if there is none."""

    def codegen(context, builder, signature, arguments):
        return call_unary(builder, "cttz", arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def greater(typing_context, values, index, references, start):
    """Word of the points where ``values[index + k] > references[start + k]``, k from 0 to 63."""
    vector = ir.VectorType(ir.DoubleType(), LANES)

    def codegen(context, builder, signature, arguments):
        one = element_pointer(context, builder, values, arguments[0], arguments[1])
        other = element_pointer(context, builder, references, arguments[2], arguments[3])
        word = ir.Constant(I64, 0)
        for lane in range(0, WORD, LANES):
            pair = [
                builder.load(
                    builder.bitcast(builder.gep(start, [ir.Constant(I64, lane)]), vector.as_pointer()), align=8
                )
                for start in (one, other)
            ]
            eight = builder.bitcast(builder.fcmp_ordered(">", *pair), I8)
            word = builder.or_(word, builder.shl(builder.zext(eight, I64), ir.Constant(I64, lane)))
        return word

    return types.uint64(values, types.int64, references, types.int64), codegen


@intrinsic
def test_eight(typing_context, words, index, bit):
    """One bit of eight words in a row, ``words[index]`` to ``words[index + 7]``, as the bits of a number."""
    vector = ir.VectorType(I64, LANES)

    def codegen(context, builder, signature, arguments):
        start = element_pointer(context, builder, words, *arguments[:2])
        eight = builder.load(builder.bitcast(start, vector.as_pointer()), align=8)
        single = builder.insert_element(
            ir.Constant(vector, ir.Undefined),
            builder.shl(ir.Constant(I64, 1), arguments[2]),
            ir.Constant(ir.IntType(32), 0),
        )
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        mask = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), everywhere)
        chosen = builder.icmp_unsigned("!=", builder.and_(eight, mask), ir.Constant(vector, [0] * LANES))
        return builder.zext(builder.bitcast(chosen, I8), I64)

    return types.uint64(words, types.int64, types.int64), codegen


@intrinsic
def pointer(typing_context, address):
    """Turn an array's address (``array.ctypes.data``) into the pointer that `numba.carray` takes."""

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@jit(inline="always")
def span(first: int, last: int) -> np.uint64:
    """Word of the points from `first` up to, not including, `last`; 0 <= first < last <= 64."""
    return (ALL >> np.uint64(64 - last)) & (ALL << np.uint64(first))


@jit()
def take(words, base: int, stride: int, n_words: int, start: int) -> np.uint64:
    """Sixty-four bits of a row from position `start` on; zeros behind its end."""
    word, bit = start >> 6, start & 63
    found = words[base + stride * word] >> np.uint64(bit)
    if bit and word + 1 < n_words:
        found |= words[base + stride * (word + 1)] << np.uint64(64 - bit)
    return found


@jit()
def rotated(words, base: int, stride: int, word: int, shift: int, length: int) -> np.uint64:
    """One word of a row moved round by `shift`: its bit k is the row's bit (k + shift) modulo `length`."""
    if shift == 0:
        return words[base + stride * word]
    n_words = (length + 63) >> 6
    start = 64 * word + shift
    if start >= length:
        start -= length
    found = take(words, base, stride, n_words, start)
    if start + 64 > length:
        found |= take(words, base, stride, n_words, 0) << np.uint64(length - start)
    return found & row_end(word, length)


@jit(inline="always")
def row_end(word: int, length: int) -> np.uint64:
    """All points of one word of a row."""
    last = length - 64 * word
    return ALL if last >= 64 else (ONE << np.uint64(last)) - ONE
