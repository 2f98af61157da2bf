"""Whole answers kept as long as the database says that nothing was committed since they were made.

Owns a bounded memory of answers.  An answer is never out of date: it is given only under the data version that was read
before the database was asked for it, so any commit since, of this or another process, makes it worthless.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from broker.dicom.encoding import Encoder
from broker.dicom.messages import ReadyResponses
from broker.domain.query import WorklistQuery

#: a longer answer goes out in batches, so that C-CANCEL and slow readers are heeded
MOST_BYTES_OF_ONE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """All that an answer depends on besides the data: the query as the device means it, its form, its status."""

    query: WorklistQuery
    encoder: Encoder
    status: int
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Questions are asked again and again: their many parts are hashed once."""
        object.__setattr__(self, "_hash", hash((self.query, self.encoder, self.status)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Answer:
    """All responses to one query, the final one last, and the steps they tell of."""

    responses: ReadyResponses
    step_keys: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the identifiers, and again as PDUs."""
        return 2 * sum(len(response.dataset or b"") for response in self.responses)


class ReadyAnswers:
    """A least-recently-used memory of at most ``limit`` bytes.  Thread-safe."""

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Question, tuple[int, Answer, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def get(self, question: Question, version: int | None) -> Answer | None:
        """The answer made under this data version; None when there is none."""
        with self._lock:
            found = self._kept.get(question)
            if found is None or version is None or found[0] != version:
                return None
            self._kept.move_to_end(question)
            return found[1]

    def keep(self, question: Question, version: int | None, answer: Answer) -> None:
        """Keep an answer that the database gave after ``version`` was read; None and long ones are not kept."""
        size = answer.size + 1024  # of the question and of what Python adds
        if version is None or size > MOST_BYTES_OF_ONE:
            return
        with self._lock:
            before = self._kept.pop(question, None)
            self._size += size - (before[2] if before else 0)
            self._kept[question] = (version, answer, size)
            while self._size > self._limit:
                _, (_, _, oldest) = self._kept.popitem(last=False)
                self._size -= oldest
