"""One running C-FIND: the handler's answers, fetched in batches on worker threads and taken by the event loop.

Owns the generator of one query from its first answer to its ``close()``.  Between batches no thread is held, so that a
slow reader costs nothing; the batches of one query may therefore run on different threads, one after the other.
"""

from collections import deque
from collections.abc import Callable, Iterator

from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import commands
from broker.dicom.upper_layer.faults import attempt
from broker.dicom.upper_layer.responses import ResponseEncoder

BATCH_RESPONSES = 64
BATCH_BYTES = 64 * 1024


class MissingFinalResponseError(RuntimeError):
    """A handler's answers ended without a final response."""


class Query:
    """Runs one C-FIND.  ``run_batch`` belongs to worker threads, everything else to the event loop."""

    def __init__(self, find: Callable[[Request], Iterator[Response]], request: Request, encoder: ResponseEncoder):
        self.message_id = request.message_id
        self._find = find
        self._request = request
        self._encoder = encoder
        self._responses: Iterator[Response] | None = None
        # deque: appended on a worker while the loop takes from the other end
        self._encoded: deque[bytes] = deque()
        self.stopped = False

    def stop(self) -> None:
        """C-CANCEL, or nobody listens any more: the next batch ends the query with 0xFE00."""
        self.stopped = True

    def take(self) -> bytes:
        """All answers that are ready, each in whole PDUs."""
        return b"".join(self._encoded.popleft() for _ in range(len(self._encoded)))

    def run_batch(self) -> bool:
        """Fetches the next answers; True when the final one is among them."""
        finished = attempt("C-FIND handler", self._fetch, self._fail)
        if finished:
            # generators have close(); a plain iterator that a handler returns has nothing to close
            close = getattr(self._responses, "close", lambda: None)
            attempt("closing a C-FIND handler", close, lambda: None)
        return finished

    def _fail(self) -> bool:
        self._append(Response(commands.UNABLE_TO_PROCESS))
        return True

    def _fetch(self) -> bool:
        if self._responses is None and not self.stopped:
            self._responses = self._find(self._request)
        size = 0
        for _ in range(BATCH_RESPONSES):
            if self.stopped or self._responses is None:
                break
            response = next(self._responses, None)
            if response is None:
                raise MissingFinalResponseError
            size += self._append(response)
            if response.status not in commands.PENDING:
                return True
            if size >= BATCH_BYTES:
                break
        if self.stopped:
            self._append(Response(commands.CANCEL))
        return self.stopped

    def _append(self, response: Response) -> int:
        encoded = self._encoder.encode(response)
        self._encoded.append(encoded)
        return len(encoded)
