"""DICOMweb on the very use cases and handlers of DIMSE: the ``DicomWebDesk`` that the web room is given.

An exam that arrives as JSON or XML becomes the bytes that a device would have sent (Explicit VR Little Endian) and is
read back from them: what is stored, checked, linked and handed on does not depend on the way it came.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from broker.dicom import datasets, json_model, xml_reader, xml_writer
from broker.dicom.datasets import EXPLICIT_LITTLE
from broker.dicom.worklist_search import SearchConfig, WorklistSearch
from broker.domain.devices import Devices
from broker.domain.dicom_json import Dataset, text
from broker.domain.performed_faults import Toleration
from broker.services import performed
from broker.services.context import Context
from broker.services.devices import DeviceLog
from broker.services.dicomweb import Caller, DocumentRefused, Form, Found, Search
from broker.services.performed import PerformedMessage

_log = logging.getLogger(__name__)
_READERS: Mapping[Form, Callable[[bytes], Dataset]] = {Form.JSON: json_model.read, Form.XML: xml_reader.read}
_WRITERS: Mapping[Form, Callable[[Dataset], bytes]] = {Form.JSON: json_model.write, Form.XML: xml_writer.write}
_SOP_INSTANCE_UID = 0x00080018


class WebDesk:
    """Fulfils DICOMweb requests; safe to call from many threads."""

    def __init__(self, context: Context, config: SearchConfig, registry: Devices, log: DeviceLog) -> None:
        self._context = context
        self._registry = registry
        self._log = log
        self._worklist = WorklistSearch(context, config, registry, log)

    def create(self, caller: Caller, sop_instance_uid: str, form: Form, document: bytes) -> Sequence[Toleration]:
        """As ``DicomWebDesk.create``."""
        self._seen(caller)
        return performed.start(self._context, _message(caller, sop_instance_uid, form, document)).tolerated

    def update(self, caller: Caller, sop_instance_uid: str, form: Form, document: bytes) -> Sequence[Toleration]:
        """As ``DicomWebDesk.update``."""
        self._seen(caller)
        return performed.update(self._context, _message(caller, sop_instance_uid, form, document)).tolerated

    def retrieve(self, sop_instance_uid: str) -> Dataset:
        """As ``DicomWebDesk.retrieve``."""
        return performed.get(self._context, sop_instance_uid).dataset

    def search(self, caller: Caller | None, search: Search) -> Found:
        """As ``DicomWebDesk.search``."""
        if caller is not None:
            self._seen(caller)
        return self._worklist.search(caller, search)

    def write(self, dataset: Dataset, form: Form) -> bytes:
        """As ``DicomWebDesk.write``."""
        return _WRITERS[form](dataset)

    def _seen(self, caller: Caller) -> None:
        self._log.seen(caller.ae_title, caller.address, known=self._registry.known(caller.ae_title))


def _message(caller: Caller, sop_instance_uid: str, form: Form, document: bytes) -> PerformedMessage:
    """The request as if the device had sent it over DIMSE.  Raises DocumentRefused."""
    try:
        received = datasets.encode(_READERS[form](document), EXPLICIT_LITTLE)
        dataset = datasets.decode(received, EXPLICIT_LITTLE).dataset
    except datasets.DatasetError as error:
        raise DocumentRefused(str(error)) from error
    inside = text(dataset, _SOP_INSTANCE_UID)
    if inside and inside != sop_instance_uid:
        raise DocumentRefused("another SOP Instance UID than in the address", "00080018")
    return PerformedMessage(
        sop_instance_uid, dataset, caller.ae_title, EXPLICIT_LITTLE, received, token=caller.token
    )  # fmt: skip
