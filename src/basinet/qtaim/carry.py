"""The walk uphill: each shared point passes on what it holds once it has received all that will come.

No order is sorted. A point that awaits nothing any more goes on a stack, and the last one in is the first to go on:
the walk follows one path up, where what it needs next is what it has just touched. The grid is walked in parts.
What leaves a part waits in its outbox until no part can go on; then the outboxes are emptied in the order of the
parts. So the sums are formed in the same order, whether the parts are walked one by one or at the same time.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from basinet.qtaim.holdings import RIM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.qtaim.holdings import Slots

DONE = 64
"""What a point awaits that has passed on what it held; less than at the rim, more than any number of neighbours."""


class Part(NamedTuple):
    """One part of the slots, and what its walk needs (a tuple, so that numba accepts it).

    Attributes
    ----------
    first, last
        Its slots, the last one not included.
    stack : (last - first,) int32
        Points that await nothing.
    depth : (1,) int64
        Their number.
    target : (n_crossing,) int32
        Slots of other parts to which something goes.
    values : (n_crossing, n_columns) float64
        What goes there.
    sent : (1,) int64
        How many are in use.
    """

    first: int
    last: int
    stack: NDArray[np.int32]
    depth: NDArray[np.int64]
    target: NDArray[np.int32]
    values: NDArray[np.float64]
    sent: NDArray[np.int64]


@njit(cache=True, nogil=True)
def climb(slots: Slots, part: Part) -> None:
    """Walk uphill from all points on the stack of a part, until it is empty."""
    edge, target, share, pending, held = slots.edge, slots.target, slots.share, slots.pending, slots.held
    first, last, stack, outbox = part.first, part.last, part.stack, part.values
    n_columns = held.shape[1]
    depth, sent = part.depth[0], part.sent[0]
    while depth:
        depth -= 1
        slot = np.int64(stack[depth])
        pending[slot] = DONE
        for one in range(edge[slot], edge[slot + 1]):
            goal, part_of_it = np.int64(target[one]), share[one]
            if first <= goal < last:
                for column in range(n_columns):
                    held[goal, column] += part_of_it * held[slot, column]
                pending[goal] -= 1
                if pending[goal] == 0:
                    stack[depth] = goal
                    depth += 1
            else:
                part.target[sent] = goal
                for column in range(n_columns):
                    outbox[sent, column] = part_of_it * held[slot, column]
                sent += 1
    part.depth[0], part.sent[0] = 0, sent


@njit(cache=True, nogil=True)
def set_out(slots: Slots, part: Part) -> None:
    """Walk uphill from every point of a part that awaits nothing from the beginning."""
    for slot in range(part.first, part.last):
        if slots.pending[slot] == 0:
            part.stack[0] = slot
            part.depth[0] = 1
            climb(slots, part)


@njit(cache=True, nogil=True)
def receive(slots: Slots, sender: Part, receiver: Part) -> None:
    """Take what the sender has for the receiver's points, and stack those that await nothing any more."""
    depth = receiver.depth[0]
    for letter in range(sender.sent[0]):
        goal = np.int64(sender.target[letter])
        if receiver.first <= goal < receiver.last:
            for column in range(slots.held.shape[1]):
                slots.held[goal, column] += sender.values[letter, column]
            slots.pending[goal] -= 1
            if slots.pending[goal] == 0:
                receiver.stack[depth] = goal
                depth += 1
    receiver.depth[0] = depth


@njit(cache=True, nogil=True)
def arrive(slots: Slots, part: Part, arrived: NDArray[np.float64]) -> int:
    """Add what the points at the rim hold to their groups; return how many points have nothing left to do."""
    settled = 0
    for slot in range(part.first, part.last):
        if slots.pending[slot] >= RIM:
            group = slots.target[slots.edge[slot]]
            for column in range(arrived.shape[1]):
                arrived[group, column] += slots.held[slot, column]
            settled += 1
        elif slots.pending[slot] == DONE:
            settled += 1
    return settled
