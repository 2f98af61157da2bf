"""The web application put together: layers, pages, interface, static files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from broker.services.context import Context
from broker.services.destination_desk import DestinationDesk
from broker.services.device_registry import DeviceDirectory
from broker.services.dicomweb import DicomWebDesk
from broker.services.examination import MessageDesk
from broker.services.template_desk import TemplateDesk
from broker.web import (
    api,
    auth,
    delivery_api,
    destination_forms,
    destination_pages,
    device_api,
    device_pages,
    dicomweb_routes,
    errors,
    exam_pages,
    fhir,
    habit_pages,
    health,
    messages,
    notification_pages,
    pages,
    step_api,
    step_pages,
    template_pages,
    workbench,
)
from broker.web.config import WebConfig
from broker.web.guard import Guard
from broker.web.live import Broadcaster
from broker.web.parts import Parts
from broker.web.rendering import FOLDER, environment


def create_app(
    config: WebConfig, context: Context, desk: MessageDesk | None = None, devices: DeviceDirectory | None = None,
    dicomweb: DicomWebDesk | None = None, *, destinations: DestinationDesk | None = None,
    outgoing: TemplateDesk | None = None,
) -> FastAPI:  # fmt: skip
    """The application; its broadcaster runs between start-up and shutdown of the ASGI server.

    Without a ``desk`` the pages for looking at messages say that this process has no intake.  ``devices`` is the
    registry that the DICOM side decides by; without one, that of the database alone.  Without ``dicomweb`` there is no
    DICOMweb, without ``destinations`` no preview of what would be sent, without ``outgoing`` no page of templates.
    """
    templates = environment(config, context)
    broadcaster = Broadcaster(context, config.poll_seconds)
    parts = Parts(
        config, context, templates, broadcaster, devices or DeviceDirectory(context), desk, dicomweb,
        destinations=destinations, templates_desk=outgoing,
    )  # fmt: skip
    failure = errors.failure(templates)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await parts.broadcaster.start()
        try:
            yield
        finally:
            await parts.broadcaster.stop()

    app = FastAPI(
        title="Worklist and MPPS broker", version=config.version or "0", lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        middleware=[Middleware(Guard, config=config, failure=failure)],
    )  # fmt: skip
    app.state.parts = parts
    errors.install(app, failure)
    rooms = (
        pages, exam_pages, step_pages, device_pages, habit_pages, destination_forms,
        destination_pages, notification_pages, template_pages, messages,
        workbench, auth, api, device_api, step_api, delivery_api, dicomweb_routes, fhir, health,
    )  # fmt: skip
    for room in rooms:
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    return app
