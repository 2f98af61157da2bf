"""How long facts take: an order until a device sees it, the end of an exam until its status message is acknowledged."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import mpps_load, stage
from tests.benchmarks.report import Row, measure, show
from tests.peers.mllp_receiver import MllpReceiver
from tests.peers.mllp_sender import MllpSender
from tests.peers.modality import Modality
from tests.peers.order_messages import omi
from tests.support.wait import until

TIMES = 100


def test_latency(tmp_path: Path, database_url: str) -> None:
    """One thing at a time: what a quiet hospital sees. The client's own time (an association) is part of it."""
    with MllpReceiver() as told:
        destination = f'[{{"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": {told.port}}}]'
        with stage.broker(tmp_path / "data", database_url, {"BROKER__DESTINATIONS": destination}) as process:
            times = _Times(process.ports["intake"], process.ports["dicom"], told)
            rows = [
                Row("order sent -> AA", times.acknowledged),
                Row("order sent -> seen by a worklist query", times.visible),
                Row("exam begun (N-CREATE sent) -> IP acknowledged", times.told_begun),
            ]
            measure(rows, rounds=TIMES)
    kind = database_url.partition(":")[0].partition("+")[0]
    show(f"Latency, {kind}", "milliseconds", rows, "", "SQLAlchemy", "pynetdicom")


class _Times:
    def __init__(self, intake: int, dicom: int, told: MllpReceiver) -> None:
        self._numbers = stage.Numbers()
        self._intake, self._dicom, self._told = intake, dicom, told

    def acknowledged(self) -> float:
        with MllpSender(self._intake) as sender:
            number = self._numbers.take(1)
            return _milliseconds(lambda: self._order(sender, number))

    def visible(self) -> float:
        with MllpSender(self._intake) as sender:
            number = self._numbers.take(1)

            def work() -> None:
                self._order(sender, number)
                assert len(Modality(self._dicom).worklist(f"A{number}")) == 1

            return _milliseconds(work)

    def told_begun(self) -> float:
        number = self._numbers.take(1)
        with MllpSender(self._intake) as sender:
            self._order(sender, number)
        client = mpps_load.Client(self._dicom)
        before, (begin, _) = len(self._told.received), mpps_load.pair(number)

        def work() -> None:
            client.perform([begin])
            until(lambda: len(self._told.received) > before, 30, "the status is told", interval=0.001)

        return _milliseconds(work)

    def _order(self, sender: MllpSender, number: int) -> None:
        assert sender.exchange(omi(number)).code == "AA"


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
