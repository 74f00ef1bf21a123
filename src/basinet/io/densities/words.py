"""Eight characters of text as one 64-bit word inside a numba kernel.

numba has no unaligned loads, no 64 x 64 -> 128 bit product and no bit counts of its own. These intrinsics give
them; every one is a single machine instruction. The first character of a word is its lowest byte, as on every
machine that the package is built for (x86-64 and ARM, both little-endian).
"""

# numba's extension interface is untyped, and hands its arguments to `codegen` by position.
# mypy: disable-error-code="no-untyped-def, misc, untyped-decorator, no-any-return"
# ruff: noqa: ANN001, ANN201, ANN202, ARG001

from __future__ import annotations

from typing import Any, TypeAlias

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types

# Declared by numba as if callers passed the typing context themselves.
intrinsic: Any = extending.intrinsic

Word: TypeAlias = Any
"""A uint64 in the signature of a compiled function: eight characters, eight digits, or a position in the text.

numba computes with mixed signs in floating point, so that all of them have to be of one type; mypy takes numpy's
integers of each width for types that do not mix either.
"""

BLOCK = 32
"""Bytes that :func:`outside` checks at once."""

I64, I128 = ir.IntType(64), ir.IntType(128)
BYTES = ir.VectorType(ir.IntType(8), BLOCK)
FALSE = ir.Constant(ir.IntType(1), 0)


def load(context, builder, loaded_type, array_type, array, start):
    """LLVM's load of a word or block of bytes from an index of a uint8 array, wherever that lies in memory."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.load(builder.bitcast(builder.gep(data, [start]), loaded_type.as_pointer()), align=1)


@intrinsic
def load_word(typing_context, text, start):
    """Eight bytes of a C-contiguous uint8 array from index `start`; the caller keeps it inside the array."""

    def codegen(context, builder, signature, arguments):
        return load(context, builder, I64, text, *arguments)

    return types.uint64(text, types.uint64), codegen


@intrinsic
def outside(typing_context, text, start, least, span):
    """Bit k tells whether byte `start` + k is not from ``least[k]`` to ``least[k] + span[k]``, for 32 bytes.

    All arrays are C-contiguous and of uint8; the caller keeps the block inside `text`.
    """

    def codegen(context, builder, signature, arguments):
        characters, position, lower, width = arguments
        zero = ir.Constant(I64, 0)
        above = builder.sub(
            load(context, builder, BYTES, text, characters, position),
            load(context, builder, BYTES, least, lower, zero),
        )
        beyond = builder.icmp_unsigned(">", above, load(context, builder, BYTES, span, width, zero))
        return builder.zext(builder.bitcast(beyond, ir.IntType(BLOCK)), I64)

    return types.uint64(text, types.uint64, least, span), codegen


@intrinsic
def trailing_zeros(typing_context, word):
    """Number of zero bits below the lowest one bit; 64 for a word of zeros."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], FALSE)

    return types.uint64(types.uint64), codegen


@intrinsic
def leading_zeros(typing_context, word):
    """Number of zero bits above the highest one bit; 64 for a word of zeros."""

    def codegen(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], FALSE)

    return types.uint64(types.uint64), codegen


@intrinsic
def multiply_high(typing_context, x, y):
    """Upper 64 bits of the 128-bit product ``x y``."""

    def codegen(context, builder, signature, arguments):
        product = builder.mul(builder.zext(arguments[0], I128), builder.zext(arguments[1], I128))
        return builder.trunc(builder.lshr(product, ir.Constant(I128, 64)), I64)

    return types.uint64(types.uint64, types.uint64), codegen


@intrinsic
def float_of_bits(typing_context, bits):
    """The float64 whose IEEE 754 encoding is `bits`."""

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), codegen
