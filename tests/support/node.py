"""Owns: the sending half of a broker in the process of a test: its database, running senders, the list of destinations.
Must not: know pages or peers.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from broker import parts
from broker.delivery.sender import Sender
from broker.destination_list import DestinationList
from broker.dicom.subscribers import Subscribers
from broker.services.context import Context
from broker.settings import Settings
from broker.wiring import open_context


@dataclass(frozen=True)
class SendingNode:
    """Senders that run until the stack given to `sending_node` is unwound."""

    context: Context
    subscribers: Subscribers
    sender: Sender
    known: DestinationList


def sending_node(settings: Settings, stack: ExitStack) -> SendingNode:
    """Starts the senders of `settings`."""
    context = open_context(settings)
    stack.callback(context.database.close)
    subscribers = parts.make_subscribers(settings)
    sender = parts.make_delivery(settings, context, subscribers)
    sender.start()
    stack.callback(sender.stop, 2.0)
    return SendingNode(context, subscribers, sender, DestinationList(settings, context))
