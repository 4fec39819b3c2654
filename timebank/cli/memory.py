"""How a process of ours looks for garbage: rarely, and never among what it was started with."""

from __future__ import annotations

import gc


def settle_memory() -> None:
    """Take what is loaded by now out of the collector's rounds, and make the rounds rare.

    A batch of a thousand entries makes some thirty thousand tuples that all live until it is
    written. The collector's default of a round every 700 finds nothing in them and costs a
    sixth of the time; reference counts free them anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
