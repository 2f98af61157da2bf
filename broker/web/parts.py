"""What the pages and interfaces share: configuration, use-case context, templates, the broadcaster."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from jinja2 import Environment

from broker.services.context import Context
from broker.services.destination_desk import DestinationDesk
from broker.services.device_registry import DeviceDirectory
from broker.services.dicomweb import DicomWebDesk
from broker.services.examination import MessageDesk
from broker.services.template_desk import TemplateDesk
from broker.web.config import WebConfig
from broker.web.live import Broadcaster
from broker.web.rendered import Rendered


@dataclass(frozen=True, slots=True)
class Parts:
    """One of these per application, in ``app.state.parts``."""

    config: WebConfig
    context: Context
    templates: Environment
    broadcaster: Broadcaster
    devices: DeviceDirectory
    #: looks at messages; None where this process has no intake
    desk: MessageDesk | None = None
    #: fulfils DICOMweb requests; None where this process has no DICOM
    dicomweb: DicomWebDesk | None = None
    #: knows what destinations are sent; None where this process sends nothing
    destinations: DestinationDesk | None = None
    #: knows the templates of outgoing messages; None as for ``destinations``
    templates_desk: TemplateDesk | None = None
    rendered: Rendered = field(default_factory=Rendered)


def parts_of(request: Request) -> Parts:
    """The parts of the application that answers ``request``."""
    found: Parts = request.app.state.parts
    return found


Shared = Annotated[Parts, Depends(parts_of)]
