"""Whether a cluster is still there while a run is on it: its scheduler, its workers, and the tasks it was given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.jobs.failures import summary

__all__ = ["RECONNECT", "Watch"]

RECONNECT = 10.0
"""Seconds that a broken connection has to be made again, which the client does by itself."""

PATIENCE = 60.0
"""Seconds without an answer of the scheduler, or without any worker, after which a run is given up."""

LOOK = 1.0
"""Seconds between questions to the scheduler."""

FORGOTTEN = 20.0
"""Seconds that a scheduler says not to know a task, after which it counts as dropped; a new one is on its way for some."""


class Watch:
    """Asks the scheduler every second, and never waits for its answer.

    Parameters
    ----------
    client : distributed.Client
    scheduler : str
        Its address, for the errors.
    """

    def __init__(self, client: Any, scheduler: str) -> None:
        self._client, self._scheduler = client, scheduler
        self._question: Future[tuple[int, set[str]]] | None = None
        self._asked = time.monotonic()
        self._apart_since: float | None = None
        self._silent_since: float | None = None
        self._unmanned_since: float | None = None
        self._unknown_since: dict[str, float] = {}
        self._reason = ""

    @property
    def connected(self) -> bool:
        """Whether the scheduler can be sent anything now; a client whose connection broke makes a new one by itself."""
        return bool(self._client.status == "running")

    def look(self, keys: Sequence[str]) -> set[str]:
        """Ask the next question when it is time; returns those of ``keys`` that the scheduler does not know, and not for long.

        Raises
        ------
        WorkError
            When the scheduler does not answer, or there have been no workers for long.
        """
        now = time.monotonic()
        if self._question is not None and self._question.done():
            self._hear(self._question, now)
            self._question = None
        if self._question is None and now - self._asked >= LOOK:
            self._ask(keys, now)
        self._apart_since = None if self.connected else self._apart_since or now
        if self._apart_since is not None and now - self._apart_since > RECONNECT:
            raise self._lost(f"the connection broke, and could not be made again within {RECONNECT:.0f} seconds")
        if self._silent_since is not None and now - self._silent_since > PATIENCE:
            raise self._lost(f"it has not answered for {PATIENCE:.0f} seconds{self._reason}")
        if self._unmanned_since is not None and now - self._unmanned_since > PATIENCE:
            raise WorkError(
                f"The scheduler {self._scheduler} has had no worker for {PATIENCE:.0f} seconds. Start workers, and run it again."
            )
        return {key for key in keys if self.connected and now - self._unknown_since.get(key, now) > FORGOTTEN}

    def end(self) -> None:
        """Ask no more."""
        if self._question is not None:
            self._question.cancel()

    def _ask(self, keys: Sequence[str], now: float) -> None:
        async def ask() -> tuple[int, set[str]]:
            workers = (await self._client.scheduler.identity(n_workers=0))["n_workers"]
            states = await self._client.scheduler.get_task_status(keys=list(keys))
            return workers, {key for key in keys if states.get(key) is None}

        self._asked = now
        self._silent_since = self._silent_since or now
        self._question = asyncio.run_coroutine_threadsafe(ask(), self._client.loop.asyncio_loop)

    def _hear(self, answer: Future[tuple[int, set[str]]], now: float) -> None:
        try:
            workers, unknown = answer.result()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            self._reason = f" ({summary(error)})"
            return
        self._silent_since, self._reason = None, ""
        self._unmanned_since = None if workers else self._unmanned_since or now
        self._unknown_since = {key: self._unknown_since.get(key, now) for key in unknown}

    def _lost(self, reason: str) -> WorkError:
        return WorkError(f"The scheduler {self._scheduler} was lost: {reason}. Nothing half-written is left; start it, and run it again.")
