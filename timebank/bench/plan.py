"""What is measured, how often and how large, and which figure is good enough."""

from __future__ import annotations

from typing import Final, NamedTuple


class Target(NamedTuple):
    """What a ratio should be.

    Attributes:
        bar: The worst that is acceptable.
        goal: What we want; the bar again where there is no other.
        at_most: Whether smaller is better.
    """

    bar: float
    goal: float
    at_most: bool = False

    def is_met(self, ratio: float, wanted: float) -> bool:
        """Whether a ratio is as good as ``wanted``."""
        return ratio <= wanted if self.at_most else ratio >= wanted


COPY_ALL: Final = "batch_1000_vs_copy_all"
COPY_BARE: Final = "batch_1000_vs_copy_bare"
ROW_LOCKING: Final = "batch_1000_vs_row_locking"
LONG_BATCH: Final = "batch_5000_vs_1000"
FRESH: Final = "fresh_vs_loaded_100"
SAME_AUTH: Final = "http_64_vs_same_auth"
EMPTY: Final = "http_64_vs_empty"
HTTP_BATCH: Final = "http_batch_200_vs_batch_1000"
READS: Final = "read_1e6_vs_1e3"
VERIFY: Final = "verify_writers"
SHARE: Final = "proof_share_of_batch_1000"
PUBLISH: Final = "publish_vs_write"
PUBLISH_WRITERS: Final = "publish_writers"
IMPORT: Final = "import_vs_copy_all"
IMPORT_WRITERS: Final = "import_writers"

TARGETS: Final[dict[str, Target]] = {
    COPY_ALL: Target(0.45, 0.6),
    COPY_BARE: Target(0.10, 0.2),
    ROW_LOCKING: Target(10.0, 20.0),
    LONG_BATCH: Target(0.95, 0.95),
    FRESH: Target(0.8, 0.8),
    SAME_AUTH: Target(0.4, 0.6),
    EMPTY: Target(0.12, 0.2),
    HTTP_BATCH: Target(0.6, 0.8),
    READS: Target(1.2, 1.2, at_most=True),
    VERIFY: Target(0.8, 0.8),
    SHARE: Target(0.2, 0.2, at_most=True),
    # It rests between two pages, for the sake of those who write.
    PUBLISH: Target(0.3, 0.4),
    PUBLISH_WRITERS: Target(0.8, 0.8),
    IMPORT: Target(0.2, 0.3),
    IMPORT_WRITERS: Target(0.8, 0.8),
}

#: What the import of a hundred thousand lines may take on a machine that does nothing else.
IMPORT_SECONDS_MAX: Final = 60.0
IMPORT_MEGABYTES_MAX: Final = 300.0

#: What publishing a hundred thousand entries of one day may take.
PUBLISH_SECONDS_MAX: Final = 30.0

#: Entries in one batch, and commands in one request of many.
BATCH: Final = 1_000
BATCH_LONG: Final = 5_000
BATCH_SHORT: Final = 100
BATCH_HTTP: Final = 200


class Plan(NamedTuple):
    """Sizes and repetitions of one run.

    Attributes:
        members: Members of the group that is written to.
        loaded: Entries in it before anything is measured.
        rounds: How often each way to write is measured.
        short_batches: Batches of 100 in one measurement.
        row_locking: Requests of the row-locking ledger in one measurement.
        http_rounds: How often each HTTP route is measured.
        http_seconds: How long a measurement over HTTP sends requests.
        http_count_max: Most requests of one measurement.
        http_batches: Batches of 1,000 in one measurement beside the HTTP ones.
        small, large: Entries in the two groups that are read.
        read_rounds, reads: How often each is read, and how many requests at a time.
        verify_seconds: How long writers are measured alone, before and after ``verify``.
        published: Entries of one day that is published.
        publish_rounds: How often such a day is.
        import_lines: Lines of the one large past.
        import_rounds: How often one is imported.
        import_copies: Batches of 1,000 that COPY writes in each of these rounds.
        pasts: Groups whose past comes in beside writers.
        past_lines: Most lines of such a past; the shortest has half of that.
        turn_seconds: How long batches are written in each turn, alone or beside imports.
    """

    members: int = 200
    loaded: int = 50_000
    rounds: int = 25
    short_batches: int = 10
    row_locking: int = 480
    http_rounds: int = 9
    http_seconds: float = 2.5
    http_count_max: int = 60_000
    http_batches: int = 15
    small: int = 1_000
    large: int = 1_000_000
    read_rounds: int = 15
    reads: int = 60
    verify_seconds: float = 15.0
    published: int = 100_000
    publish_rounds: int = 3
    import_lines: int = 100_000
    import_rounds: int = 3
    import_copies: int = 20
    pasts: int = 200
    past_lines: int = 3_000
    turn_seconds: float = 6.0


FULL: Final = Plan()
QUICK: Final = Plan(
    loaded=10_000,
    rounds=7,
    row_locking=240,
    http_rounds=3,
    http_seconds=1.5,
    http_batches=6,
    large=100_000,
    read_rounds=5,
    reads=30,
    verify_seconds=4.0,
    published=20_000,
    import_lines=20_000,
    import_copies=10,
    pasts=40,
    turn_seconds=3.0,
)
#: Only shows that everything runs; its figures mean nothing.
TINY: Final = Plan(
    members=10,
    loaded=1_000,
    rounds=1,
    short_batches=1,
    row_locking=16,
    http_rounds=1,
    http_seconds=0.2,
    http_count_max=200,
    http_batches=1,
    small=100,
    large=1_000,
    read_rounds=1,
    reads=2,
    verify_seconds=0.2,
    published=200,
    publish_rounds=1,
    import_lines=100,
    import_rounds=1,
    import_copies=1,
    pasts=3,
    past_lines=60,
    turn_seconds=0.2,
)
