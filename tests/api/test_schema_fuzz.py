"""What the description says is so, whatever is sent and whoever sends it: cases made from the document itself.

Short by default; ``TIMEBANK_TEST_API=50000`` asks for about so many requests.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.modes import GenerationMode
from schemathesis.schemas import APIOperation

from tests.api.principals import PRINCIPALS, World
from tests.api.sample_requests import KINDS, SAMPLES
from tests.cast import SLUG
from timebank.edge.openapi import build_document

REQUESTS = int(os.environ.get("TIMEBANK_TEST_API", "0"))
#: A value can fit its schema and still be none: no such pot, a day before the book, both of two fields.
CONFIG = {
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "401", "403", "404", "409", "422", "413", "503"]
        },
        # The key may be missing and the reader a stranger: who is asking comes first.
        "missing_required_header": {"expected-statuses": ["400", "401", "403"]},
    }
}
#: What says that a request was no request, which one made from the document never is.
NO_REQUEST = {
    "malformed_body",
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "unsupported_media_type",
}

#: Of the cases at the borders of one operation, in a short run.
BORDERS_MAX = 8
#: Who asks in a short run; in a long one everybody does.
SOME: Final = (None, "ada", "bo", "ed")

Message = dict[str, Any]


@schemathesis.serializer(
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.oasis.opendocument.spreadsheet",
)
def as_workbook(_context: Any, value: Any) -> bytes:
    """Send whatever was made up as a workbook, which it is not."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def bridge(app: Any, loop: asyncio.AbstractEventLoop) -> Any:
    """Return an application for another thread and loop that asks this one, which has its connections here."""

    async def asked(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            raise RuntimeError("it is running already")
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        answered: list[Message] = []

        async def answer() -> None:
            requests = iter([{"type": "http.request", "body": body, "more_body": False}])

            async def read() -> Message:
                try:
                    return next(requests)
                except StopIteration:
                    return await asyncio.Future()

            async def write(message: Message) -> None:
                answered.append(message)

            await app({**scope, "headers": list(scope["headers"])}, read, write)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer(), loop))
        for message in answered:
            await send(message)

    return asked


class Fuzz:
    """Sends cases as everybody, checks each answer, and remembers what came."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        document = build_document(world.app)
        self.schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(CONFIG))
        self.schema.app = bridge(world.app, loop)
        self.world = world
        self.known: dict[str, str] = {"slug": SLUG}
        self.keys = itertools.count()
        self.statuses: Counter[int] = Counter()
        self.failures: dict[str, str] = {}

    async def make_known(self) -> None:
        """Make something of every kind that paths name."""
        for (_, path), make in SAMPLES.items():
            if path.startswith("/api/v1/"):
                ask = await make(self.world, None)
                self.known |= {place: value for place, value in ask.path.items() if place in KINDS}

    def operations(self) -> Iterator[APIOperation[Any, Any, Any, Any]]:
        for result in self.schema.get_all_operations():
            yield result.ok()

    def send(self, case: Any, name: str | None, *, key: str = "") -> None:
        """Send one case as somebody, perhaps under a fresh key, and keep what is wrong with the answer."""
        about_token = str(getattr(case.meta.phase.data, "parameter", "")).lower() == "authorization"
        headers = {"Authorization": f"Bearer {self.world.token(name)}"} if name and not about_token else {}
        if key:
            headers["Idempotency-Key"] = key
        response = case.call(headers=headers)
        self.statuses[response.status_code] += 1
        try:
            case.validate_response(response, headers=headers)
        except FailureGroup as failure:
            self._keep(case, "; ".join(sorted({each.title for each in failure.exceptions})), str(failure))
        mode = case.meta.generation.mode if case.meta else None
        if mode is GenerationMode.POSITIVE and response.status_code in {400, 415}:
            code = response.json()["code"]
            if code in NO_REQUEST:
                self._keep(case, f"{code} for a request that fits", response.text)

    def _keep(self, case: Any, what: str, more: str) -> None:
        self.failures.setdefault(f"{case.operation.label}: {what}", more)

    def tame(self, body: Any) -> None:
        """Put words of the group where made-up ones stand, so that some of what fits is also possible."""
        words = {
            "amount": 5,
            "category": "cooking",
            "currency": "EUR",
            "effective_on": self.world.today,
            "held": "bank",
            "minutes": 5,
            "pot": "money" if "amount" in body or "held" in body else "hours",
        }
        for name, value in list(body.items()):
            if name in words:
                body[name] = words[name]
            elif isinstance(value, dict):
                self.tame(value)
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, dict):
                        self.tame(item)
            elif name in KINDS:
                body[name] = None

    def run(self, mode: GenerationMode, examples: int) -> None:
        """Make so many cases for each operation, and send each as everybody."""
        for operation in self.operations():
            # Ids that are there, or nobody would ever come further than 404.
            here = {place: there for place, there in self.known.items() if f"{{{place}}}" in operation.path}
            strategy = operation.as_strategy(generation_mode=mode, path_parameters=here or None)

            @hypothesis.settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=not REQUESTS,
                phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(case=strategy)
            def each(case: Any) -> None:
                for name in PRINCIPALS.values() if REQUESTS else SOME:
                    self.send(case, name)
                if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                    self.tame(case.body)
                    for name in PRINCIPALS.values() if REQUESTS else SOME:
                        self.send(case, name, key=f"tame-{next(self.keys)}")

            try:
                each()
            except hypothesis.errors.Unsatisfiable:
                # An operation without anything to get wrong.
                assert mode is GenerationMode.NEGATIVE, operation.label

    def run_borders(self) -> None:
        """Send the cases at the borders of each schema, missing headers and other methods among them."""
        for operation in self.operations():
            config = self.schema.config.generation_for(operation=operation, phase="coverage")
            cases = self.schema.iter_coverage_cases(
                operation,
                generation_modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE],
                generation_config=config,
            )
            for case in cases if REQUESTS else itertools.islice(cases, BORDERS_MAX):
                if "slug" in (case.path_parameters or {}) and self.statuses.total() % 4:
                    case.path_parameters["slug"] = SLUG
                self.send(case, "bo")


@pytest.mark.filterwarnings("ignore")
async def test_the_description_is_true_of_whatever_is_sent_by_whomever(world: World) -> None:
    fuzz = Fuzz(world, asyncio.get_running_loop())
    count = len(list(fuzz.operations()))
    # A case is sent by everybody; of those that fit, about half are sent tamed, too.
    examples = max(1, REQUESTS * 5 // (12 * count * len(PRINCIPALS)))

    await fuzz.make_known()
    await asyncio.to_thread(fuzz.run_borders)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        await asyncio.to_thread(fuzz.run, mode, examples)

    print(f"{fuzz.statuses.total()} requests: {dict(sorted(fuzz.statuses.items()))}")
    assert not fuzz.failures, "\n\n".join(f"{what}\n{more[:1500]}" for what, more in fuzz.failures.items())
    assert fuzz.statuses.total() >= max(700, REQUESTS)
    assert fuzz.statuses[200] > 40
    assert fuzz.statuses[201] > 5
    assert fuzz.statuses[500] == 0
