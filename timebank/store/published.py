"""What is published: read by the public role, one group at a time, never more rows than a page needs."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from timebank.errors import UnknownGroup
from timebank.ledger.units import Unit
from timebank.rules.publication import (
    Change,
    PublicBalance,
    PublicFlow,
    PublicGroup,
    PublicMonth,
    PublicPeriod,
    PublicPlace,
    PublicPolicy,
    PublicPot,
    PublishedLine,
)
from timebank.store.engine import Tx

LINES_MAX: Final = 1_000
PERIODS_MAX: Final = 400


async def find_group(tx: Tx, group_id: UUID) -> PublicGroup:
    """Return what a group says about itself.

    Raises:
        UnknownGroup: It has published nothing, not even its name.
    """
    row = (
        await tx.execute(
            text("""
                SELECT slug, name, languages, preset, began_on, first_close_on, units, pots,
                       people, gifts_wait
                  FROM timebank.published_groups
                 WHERE group_id = :group_id
                 LIMIT 1
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    if row is None:
        raise UnknownGroup
    return PublicGroup(
        slug=row.slug,
        name=row.name,
        languages=tuple(row.languages),
        preset=row.preset,
        began_on=row.began_on,
        first_close_on=row.first_close_on,
        units=tuple(Unit(unit["code"], unit["kind"], unit["digits"]) for unit in row.units),
        pots=tuple(
            PublicPot(pot["pot"], pot["unit"], pot["number"], pot.get("word", "pot")) for pot in row.pots
        ),
        people=row.people,
        gifts_wait=row.gifts_wait,
    )


async def find_last_period(tx: Tx, group_id: UUID) -> PublicPeriod | None:
    """Return the last closed period, or None before the first close."""
    row = (
        await tx.execute(
            text("""
                SELECT period, first_day, last_day, next_close_on, lines, preset
                  FROM timebank.published_periods
                 WHERE group_id = :group_id
              ORDER BY period DESC
                 LIMIT 1
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    return PublicPeriod(*row) if row else None


async def find_period(tx: Tx, group_id: UUID, period: int) -> PublicPeriod | None:
    """Return one closed period by its number."""
    row = (
        await tx.execute(
            text("""
                SELECT period, first_day, last_day, next_close_on, lines, preset
                  FROM timebank.published_periods
                 WHERE group_id = :group_id
                   AND period = :period
            """),
            {"group_id": group_id, "period": period},
        )
    ).one_or_none()
    return PublicPeriod(*row) if row else None


async def list_periods(tx: Tx, group_id: UUID, *, before: int | None, limit: int) -> list[PublicPeriod]:
    """Return closed periods, newest first: those before a number, or the last ones."""
    assert 1 <= limit <= PERIODS_MAX, limit
    rows = await tx.execute(
        text("""
            SELECT period, first_day, last_day, next_close_on, lines, preset
              FROM timebank.published_periods
             WHERE group_id = :group_id
               AND (CAST(:before AS integer) IS NULL OR period < :before)
          ORDER BY period DESC
             LIMIT :limit
        """),
        {"group_id": group_id, "before": before, "limit": limit},
    )
    return [PublicPeriod(*row) for row in rows]


async def list_months(tx: Tx, group_id: UUID) -> list[PublicMonth]:
    """Return what came in and went out by month and pot, newest month first; a period counts where it ends.

    It reads a row for each period and kind, however many lines these have.
    """
    rows = await tx.execute(
        text("""
            SELECT CAST(date_trunc('month', p.last_day) AS date) AS first_day, min(p.period), max(p.period),
                   f.pot, CAST(coalesce(sum(f.came_in), 0) AS bigint),
                   CAST(coalesce(sum(f.went_out), 0) AS bigint)
              FROM timebank.published_periods AS p
         LEFT JOIN timebank.published_flows AS f
                ON f.group_id = p.group_id
               AND f.period = p.period
             WHERE p.group_id = :group_id
          GROUP BY 1, f.pot
          ORDER BY 1 DESC, f.pot COLLATE "C"
             LIMIT 20000
        """),
        {"group_id": group_id},
    )
    return [PublicMonth(row[0], row[1], row[2], row[3] or "", row[4], row[5]) for row in rows]


async def list_balances(tx: Tx, group_id: UUID, period: int) -> list[PublicBalance]:
    """Return every pot's figures at the end of a period, by pot."""
    rows = await tx.execute(
        text("""
            SELECT pot, unit, available, promised, given, drawn, came_in, went_out
              FROM timebank.published_balances
             WHERE group_id = :group_id
               AND period = :period
          ORDER BY pot COLLATE "C"
             LIMIT 200
        """),
        {"group_id": group_id, "period": period},
    )
    return [PublicBalance(*row) for row in rows]


async def list_held(tx: Tx, group_id: UUID, period: int) -> list[PublicPlace]:
    """Return where money was at the end of a period: cash boxes, then banks, then platforms."""
    rows = await tx.execute(
        text("""
            SELECT place, kind, number, unit, amount
              FROM timebank.published_held
             WHERE group_id = :group_id
               AND period = :period
          ORDER BY unit COLLATE "C", array_position(ARRAY['cash', 'bank', 'platform'], kind), number
             LIMIT 200
        """),
        {"group_id": group_id, "period": period},
    )
    return [PublicPlace(*row) for row in rows]


async def list_flows(
    tx: Tx, group_id: UUID, *, first_period: int, last_period: int, by_kind: bool
) -> list[PublicFlow]:
    """Return what came in and went out in some periods, both ends included, oldest first.

    Args:
        by_kind: Whether kinds of entries stand apart; ``kind`` is empty otherwise.
    """
    assert last_period - first_period < PERIODS_MAX, (first_period, last_period)
    kind, and_kind = ("f.kind", ", f.kind") if by_kind else ("''", "")
    rows = await tx.execute(
        text(f"""
            SELECT p.period, p.first_day, p.last_day, f.pot, f.unit, {kind} AS kind,
                   CAST(sum(f.came_in) AS bigint), CAST(sum(f.went_out) AS bigint),
                   CAST(sum(f.lines) AS bigint)
              FROM timebank.published_flows AS f
              JOIN timebank.published_periods AS p ON p.group_id = f.group_id AND p.period = f.period
             WHERE f.group_id = :group_id
               AND f.period BETWEEN :first_period AND :last_period
          GROUP BY p.period, p.first_day, p.last_day, f.pot, f.unit{and_kind}
          ORDER BY p.period, f.pot{and_kind}
             LIMIT 20000
        """),
        {"group_id": group_id, "first_period": first_period, "last_period": last_period},
    )
    return [PublicFlow(*row) for row in rows]


async def list_lines(
    tx: Tx, group_id: UUID, *, first_period: int, after: tuple[int, UUID] | None, limit: int
) -> list[PublishedLine]:
    """Return public lines: newest period first, in the random order of their ids within a period.

    Args:
        first_period: Oldest period to look at.
        after: Period and id of the last line of the page before; None begins.
        limit: 1 to 1,000.
    """
    assert 1 <= limit <= LINES_MAX, limit
    last_period, line_id = after or (None, None)
    rest: list[Any] = []
    if last_period is not None:
        rest = list(
            await tx.execute(
                text("""
                    SELECT l.line_id, l.period, p.first_day, p.last_day, l.kind, l.category, l.day,
                           l.arrived_late, l.changes
                      FROM timebank.published_lines AS l
                      JOIN timebank.published_periods AS p
                        ON p.group_id = l.group_id
                       AND p.period = l.period
                     WHERE l.group_id = :group_id
                       AND l.period = :period
                       AND l.line_id > CAST(:line_id AS uuid)
                  ORDER BY l.line_id
                     LIMIT :limit
                """),
                {"group_id": group_id, "period": last_period, "line_id": line_id, "limit": limit},
            )
        )
    if len(rest) < limit:
        rest += await tx.execute(
            # Period by period along the primary key: a day of a million lines costs no more than
            # one of ten, because no day is sorted that is not shown.
            text("""
                SELECT l.line_id, p.period, p.first_day, p.last_day, l.kind, l.category, l.day,
                       l.arrived_late, l.changes
                  FROM (SELECT period, first_day, last_day
                          FROM timebank.published_periods
                         WHERE group_id = :group_id
                           AND period >= :first_period
                           AND (CAST(:last_period AS integer) IS NULL OR period < :last_period)
                           AND lines > 0
                      ORDER BY period DESC
                         LIMIT :limit) AS p
            CROSS JOIN LATERAL (SELECT line_id, kind, category, day, arrived_late, changes
                                  FROM timebank.published_lines
                                 WHERE group_id = :group_id
                                   AND period = p.period
                              ORDER BY line_id
                                 LIMIT :limit) AS l
              ORDER BY p.period DESC, l.line_id
                 LIMIT :limit
            """),
            {
                "group_id": group_id,
                "first_period": first_period,
                "last_period": last_period,
                "limit": limit - len(rest),
            },
        )
    return [_line(row) for row in rest]


async def list_policies(tx: Tx, group_id: UUID, *, pot: str, limit: int = 100) -> list[PublicPolicy]:
    """Return the versions of a pot's rules, newest first."""
    rows = await tx.execute(
        text("""
            SELECT pot, version, agreed_on, terms
              FROM timebank.published_policies
             WHERE group_id = :group_id
               AND pot = :pot
          ORDER BY version DESC
             LIMIT :limit
        """),
        {"group_id": group_id, "pot": pot, "limit": limit},
    )
    return [PublicPolicy(*row) for row in rows]


async def find_policy(tx: Tx, group_id: UUID, *, pot: str, version: int) -> PublicPolicy | None:
    """Return one version of a pot's rules."""
    row = (
        await tx.execute(
            text("""
                SELECT pot, version, agreed_on, terms
                  FROM timebank.published_policies
                 WHERE group_id = :group_id
                   AND pot = :pot
                   AND version = :version
            """),
            {"group_id": group_id, "pot": pot, "version": version},
        )
    ).one_or_none()
    return None if row is None else PublicPolicy(*row)


def _line(row: Any) -> PublishedLine:
    return PublishedLine(
        line_id=str(row.line_id),
        period=row.period,
        first_day=row.first_day,
        last_day=row.last_day,
        kind=row.kind,
        category=row.category,
        day=row.day,
        arrived_late=row.arrived_late,
        changes=tuple(
            Change(change["pot"], change["unit"], change.get("available", 0), change.get("promised", 0))
            for change in row.changes
        ),
    )
