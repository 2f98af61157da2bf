"""HL7 v2 as a library: framing, parsing, reading, acknowledging, building, serving. No database, no DICOM.

Owns: the names below, which are the public ones. Must not: import hl7apy here: `hl7.validation` (dictionaries, checks)
and `hl7.build` (outgoing messages) are imported by name where they are needed, and data types from `hl7.datatypes`.
"""

from hl7.acknowledge import Acknowledgement, ReportedError, Wanted, acknowledge, read_acknowledgement, wanted
from hl7.client import (
    Acknowledged,
    ConnectionFailed,
    MllpConnection,
    NoAnswer,
    Timeouts,
    UnreadableAnswer,
    WrongControlId,
    send_once,
)
from hl7.control_ids import new_control_id
from hl7.delimiters import Delimiters
from hl7.elements import NULL, Component, Field, Presence, Repetition
from hl7.errors import (
    AckCode,
    ContentError,
    FramingError,
    FramingKind,
    Hl7Error,
    Location,
    TransientError,
    UnreadableMessage,
    UnsupportedMessage,
)
from hl7.framing import Frame, FrameDecoder, frame
from hl7.header import Header, read_header
from hl7.message import Message, Segment, Segments
from hl7.parsing import Limits, parse
from hl7.paths import Path, parse_path
from hl7.peers import PeerInfo, ServerProblem, ServerProblemKind
from hl7.server import MllpServer

__all__ = [
    "NULL",
    "AckCode",
    "Acknowledged",
    "Acknowledgement",
    "Component",
    "ConnectionFailed",
    "ContentError",
    "Delimiters",
    "Field",
    "Frame",
    "FrameDecoder",
    "FramingError",
    "FramingKind",
    "Header",
    "Hl7Error",
    "Limits",
    "Location",
    "Message",
    "MllpConnection",
    "MllpServer",
    "NoAnswer",
    "Path",
    "PeerInfo",
    "Presence",
    "Repetition",
    "ReportedError",
    "Segment",
    "Segments",
    "ServerProblem",
    "ServerProblemKind",
    "Timeouts",
    "TransientError",
    "UnreadableAnswer",
    "UnreadableMessage",
    "UnsupportedMessage",
    "Wanted",
    "WrongControlId",
    "acknowledge",
    "frame",
    "new_control_id",
    "parse",
    "parse_path",
    "read_acknowledgement",
    "read_header",
    "send_once",
    "wanted",
]
