"""Eight float64 numbers as one value inside a numba kernel.

Every atom of a group runs through the same arithmetic, so the kernel keeps one atom in each of eight lanes of a vector
register (512 bits; LLVM splits it to what the machine has). As loops over eight elements, the accumulators of the
innermost sums would travel through memory at every step: the coupling of the matrices to components takes 3 us an atom
in this form (``twojmax`` 6), and 15 us as plain loops; and the kernel compiles faster.

A row of a C-contiguous (n, 8) array is one vector: `load_row` and `store_row` move it, `splat` repeats a number in all
lanes, and `add`, `mul`, `div`, `root`, `fma` (``x y + z``) and `fnma` (``z - x y``) work lane by lane.
"""

from typing import Any, TypeAlias

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core import cgutils
from numba.extending import models, register_model

# numba's extension interface is untyped, and hands its arguments to `codegen` by position.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
# ruff: noqa: ANN001, ANN202, ARG001


# Declared by numba as if callers passed the typing context themselves.
intrinsic: Any = extending.intrinsic

LANES = 8  # atoms side by side
VECTOR = ir.VectorType(ir.DoubleType(), LANES)


class _LanesType(types.Type):
    """The numba type of a vector of eight float64."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes({LANES} x float64)")


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    """Stored as LLVM's ``<8 x double>``."""

    def __init__(self, manager, numba_type) -> None:
        super().__init__(manager, numba_type, VECTOR)


lanes_type = _LanesType()

Lanes: TypeAlias = Any  # a vector in the signature of a compiled function; it exists nowhere else


def _row_pointer(context, builder, array_type, array, row):
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.gep(data, [builder.mul(row, ir.Constant(ir.IntType(64), LANES))])
    return builder.bitcast(first, VECTOR.as_pointer())


@intrinsic
def load_row(typing_context, array, row):
    """Row of a C-contiguous (n, 8) float64 array."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_row_pointer(context, builder, array, *arguments), align=8)

    return lanes_type(array, types.int64), codegen


@intrinsic
def store_row(typing_context, array, row, value):
    """Write a vector to a row of a C-contiguous (n, 8) float64 array."""

    def codegen(context, builder, signature, arguments):
        builder.store(arguments[2], _row_pointer(context, builder, array, *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, lanes_type), codegen


@intrinsic
def splat(typing_context, value):
    """Repeat a number in every lane."""

    def codegen(context, builder, signature, arguments):
        undefined = ir.Constant(VECTOR, ir.Undefined)
        single = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(single, undefined, everywhere)

    return lanes_type(types.float64), codegen


def _binary(instruction):
    """Function of two vectors that is one instruction, lane by lane."""

    @intrinsic
    def apply(typing_context, x, y):
        def codegen(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return lanes_type(lanes_type, lanes_type), codegen

    return apply


add, mul, div = _binary("fadd"), _binary("fmul"), _binary("fdiv")


def _call(builder, name, arguments):
    function_type = ir.FunctionType(VECTOR, [VECTOR] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.v{LANES}f64")
    return builder.call(function, arguments)


@intrinsic
def root(typing_context, x):
    """Square root in every lane."""

    def codegen(context, builder, signature, arguments):
        return _call(builder, "sqrt", arguments)

    return lanes_type(lanes_type), codegen


@intrinsic
def fma(typing_context, x, y, z):
    """Sum ``x y + z`` in every lane, rounded once where the machine can."""

    def codegen(context, builder, signature, arguments):
        return _call(builder, "fmuladd", arguments)

    return lanes_type(lanes_type, lanes_type, lanes_type), codegen


@intrinsic
def fnma(typing_context, x, y, z):
    """Difference ``z - x y`` in every lane, rounded once where the machine can."""

    def codegen(context, builder, signature, arguments):
        x, y, z = arguments
        return _call(builder, "fmuladd", [builder.fneg(x), y, z])

    return lanes_type(lanes_type, lanes_type, lanes_type), codegen
