"""One run: everything that is wanted, in order, on a durable PostgreSQL of its own that is gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from timebank.bench import http, publishing, writes
from timebank.bench.http import Http
from timebank.bench.imports import ManyPasts
from timebank.bench.load import Load
from timebank.bench.measure import Say
from timebank.bench.plan import BATCH_LONG, FRESH, IMPORT_WRITERS, READS, TARGETS, VERIFY, Plan
from timebank.bench.publishing import Publishing
from timebank.bench.reads import Reads, load_books, verify_beside_writers
from timebank.bench.report import Report, machine_facts
from timebank.bench.server import Server
from timebank.bench.stage import Group, Stage, check_books, open_stage
from timebank.bench.writes import Writes
from timebank.store.embedded import DATABASE


async def run_bench(home: Path, plan: Plan, *, only: Collection[str] = (), say: Say) -> Report:
    """Measure on the cluster that runs in ``home``.

    Args:
        only: Names of the ratios that are wanted; all when empty.
        say: Told what is going on.

    Raises:
        WentWrong: An answer or a book was not what it should be.
    """
    wanted = frozenset(only) or frozenset(TARGETS)
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(open_stage(home, DATABASE))
        stages = [stage]
        async with stage.superuser() as connection:
            report = Report(machine_facts(await connection.fetchval("SHOW server_version")), plan)

        if wanted & (writes.NAMES | http.NAMES | {IMPORT_WRITERS}):
            group = await _loaded_group(stage, plan, say)
            if wanted & writes.NAMES:
                fresh_stage, fresh = stage, None
                if FRESH in wanted:
                    fresh_stage = await stack.enter_async_context(open_stage(home, f"{DATABASE}_fresh"))
                    stages.append(fresh_stage)
                    fresh = await _fresh_group(fresh_stage, plan)
                ways = Writes(stage, group, fresh_stage, fresh, plan)
                report.add(await ways.measure(wanted, say))
                if ways.large.seconds:
                    report.add_import(plan.import_lines, ways.large.seconds, ways.large.megabytes)
                report.books |= ways.large.books
            if wanted & http.NAMES:
                async with _serving(stage) as (server, load):
                    over_http = Http(stage, group, plan, server, load)
                    report.add(await over_http.measure(wanted, say))
                report.milliseconds |= over_http.quantiles()
            if IMPORT_WRITERS in wanted:
                async with _serving(stage) as (server, load):
                    pasts = ManyPasts(stage, group, plan, Http(stage, group, plan, server, load))
                    report.add(await pasts.measure(say))
                report.books |= pasts.books
        await _measure_books(stage, plan, wanted, report, say)

        say("counting")
        for each in stages:
            report.books |= await check_books(each)
    return report


async def _measure_books(stage: Stage, plan: Plan, wanted: Collection[str], report: Report, say: Say) -> None:
    """Measure what is done with whole books: reading, checking and publishing them."""
    if {READS, VERIFY} & set(wanted):
        small, large = await load_books(stage, plan, say)
        if READS in wanted:
            async with _serving(stage) as (server, load):
                report.add(await Reads(small, large, plan, server, load).measure(say))
        if VERIFY in wanted:
            report.add(await verify_beside_writers(stage, large, plan, say))
    if publishing.NAMES & set(wanted):
        days = Publishing(stage, plan)
        report.add(await days.measure(wanted, say))
        if days.seconds:
            report.add_publishing(plan.published, days.seconds)


@asynccontextmanager
async def _serving(stage: Stage) -> AsyncIterator[tuple[Server, Load]]:
    """The server and whoever asks it, for as long as they are needed: idle ones would still cost time."""
    load, server = Load(), Server(stage.dsn)
    try:
        await server.start()
        yield server, load
    finally:
        load.close()
        server.close()


async def _loaded_group(stage: Stage, plan: Plan, say: Say) -> Group:
    group = await stage.make_group("loaded", plan.members)
    await stage.load(group, plan.loaded, batch=BATCH_LONG, say=say)
    await stage.analyse()
    return group


async def _fresh_group(stage: Stage, plan: Plan) -> Group:
    """Make a group in a database that nobody ever analyses, as every database is in its first minute."""
    async with stage.superuser() as connection:
        for schema, table in await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('timebank', 'people')"
        ):
            await connection.execute(f"ALTER TABLE {schema}.{table} SET (autovacuum_enabled = off)")
    return await stage.make_group("fresh", plan.members)
