"""Answers as P-DATA-TF PDUs, and the request values that handlers see.

Owns the way from one received message to a handler's Request and from a Response to bytes.  Calls no handler.
"""

from broker.dicom.messages import Association, ReadyResponses, Request, Response
from broker.dicom.upper_layer import commands
from broker.dicom.upper_layer.assembler import Message
from broker.dicom.upper_layer.commands import Command, Operation, encode_response
from broker.dicom.upper_layer.negotiation import AgreedContext
from broker.dicom.upper_layer.pdus import data_pdus


def request_of(message: Message, context: AgreedContext, association: Association) -> Request:
    """What a handler is given for ``message``."""
    command = message.command
    return Request(
        association=association,
        message_id=command.message_id,
        sop_class_uid=command.sop_class_uid or context.sop_class.uid,
        transfer_syntax_uid=context.transfer_syntax_uid,
        dataset=message.dataset,
        sop_instance_uid=command.sop_instance_uid,
        attribute_identifiers=command.attribute_identifiers,
    )


def refusal_of(command: Command, context: AgreedContext) -> Response | None:
    """The answer to a request that does not belong into its presentation context; None when it does."""
    sop_class = context.sop_class
    if command.operation not in sop_class.operations:
        return Response(commands.UNRECOGNIZED_OPERATION)
    if command.sop_class_uid in ("", sop_class.uid, *sop_class.also_named):
        return None
    is_n_service = command.operation >= Operation.N_EVENT_REPORT
    return Response(commands.NO_SUCH_SOP_CLASS if is_n_service else commands.SOP_CLASS_NOT_SUPPORTED)


#: devices that ask once per association use one message ID, two or three use two; more is not worth the memory
_KEPT_ENCODINGS = 2


class ResponseEncoder:
    """Encodes the responses to one request.

    Command set and data set travel in PDUs of their own: PS3.8 Annex E forbids values of two messages in one PDU, and
    old devices expect one presentation data value a PDU.
    """

    def __init__(self, command: Command, context_id: int, max_pdu: int) -> None:
        self._command = command
        self._context_id = context_id
        self._max_pdu = max_pdu
        # a query's pending responses differ in nothing but their identifiers
        self._pending: dict[int, bytes] = {}

    def encode(self, response: Response) -> bytes:
        """All PDUs of one response."""
        if not response.dataset:
            return self._encode_command(response)
        encoded_command = self._pending.get(response.status)
        if encoded_command is None:
            encoded_command = self._encode_command(response)
            if _is_bare(response):
                self._pending[response.status] = encoded_command
        return encoded_command + data_pdus(self._context_id, False, response.dataset, self._max_pdu)

    def encode_all(self, responses: tuple[Response, ...]) -> bytes:
        """All PDUs of these responses; of those that are given again and again, made once for requests alike."""
        if not isinstance(responses, ReadyResponses):
            return b"".join(map(self.encode, responses))
        command = self._command
        key = (command.operation, command.message_id, command.sop_class_uid, self._context_id, self._max_pdu)
        encoded = responses.encoded.get(key)
        if encoded is None:
            encoded = b"".join(map(self.encode, responses))
            if len(responses.encoded) >= _KEPT_ENCODINGS:
                responses.encoded.clear()
            responses.encoded[key] = encoded
        return encoded

    def _encode_command(self, response: Response) -> bytes:
        return data_pdus(self._context_id, True, encode_response(self._command, response), self._max_pdu)


def _is_bare(response: Response) -> bool:
    extras = (response.error_comment, response.error_id, response.sop_instance_uid)
    return response.status in commands.PENDING and extras == (None, None, None) and not response.offending
