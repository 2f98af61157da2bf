"""Owns: the web application with DICOMweb in this process, and a device that talks to it. Must not: know rules."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from broker.dicom import json_model, xml_writer
from broker.dicom.web_desk import WebDesk
from broker.dicom.worklist_search import SearchConfig
from broker.domain.devices import DeviceProfile
from broker.services import api_tokens
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.devices import DeviceLog
from broker.services.people import Role
from broker.web.app import create_app
from broker.web.config import WebConfig
from tests.support.exams import dataset

BASE = "http://localhost"
PERFORMED = "/dicomweb/modality-performed-procedure-steps"
SCHEDULED = "/dicomweb/modality-scheduled-procedure-steps"
JSON, XML = "application/dicom+json", "application/dicom+xml"


def boxed(form: str, document: bytes, boundary: str = "edge") -> tuple[str, bytes]:
    """A multipart/related body with one part, and its Content-Type."""
    head = f"--{boundary}\r\nContent-Type: {form}\r\n\r\n".encode()
    return f'multipart/related; type="{form}"; boundary={boundary}', head + document + f"\r\n--{boundary}--".encode()


def written(form: str, values: Mapping[str, object]) -> tuple[str, bytes]:
    """The Content-Type and body for a data set by keyword; ``form`` may be ``boxed JSON`` or ``boxed XML`` too."""
    kind = form.removeprefix("boxed ")
    document = (json_model.write if kind == JSON else xml_writer.write)(dataset(values))
    return boxed(kind, document) if form != kind else (form, document)


@dataclass
class WebPeer:
    """A device with a token."""

    context: Context
    client: httpx.AsyncClient
    log: DeviceLog
    form: str = JSON

    async def post(self, uid: str, values: Mapping[str, object], *, update: bool = False) -> httpx.Response:
        content_type, body = written(self.form, values)
        address = f"{PERFORMED}/{uid}{'?update' if update else ''}"
        return await self.client.post(address, content=body, headers={"Content-Type": content_type})

    async def search(self, query: str = "", accept: str = "") -> httpx.Response:
        headers = {"Accept": accept} if accept else {}
        return await self.client.get(f"{SCHEDULED}?{query}" if query else SCHEDULED, headers=headers)


@asynccontextmanager
async def web_peer(
    context: Context, *profiles: DeviceProfile, ae_title: str = "CT1", role: Role = Role.INTEGRATION,
    config: SearchConfig | None = None, web: WebConfig | None = None,
) -> AsyncIterator[WebPeer]:  # fmt: skip
    """The application with these devices registered, and a client whose token acts as ``ae_title``."""
    log, devices = DeviceLog(context), DeviceDirectory(context, profiles)
    desk = WebDesk(context, config or SearchConfig(), devices, log)
    app = create_app(web or WebConfig(), context, devices=devices, dicomweb=desk)
    token = api_tokens.issue(context, f"token-{ae_title or 'none'}-{role}", role, ae_title=ae_title)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
            yield WebPeer(context, client, log)
    finally:
        log.stop()
