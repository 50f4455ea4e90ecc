"""Every route, with the methods it answers."""

from typing import Any

from django.urls import path

from ponte import views
from ponte.routing import instant, methods
from ponte.stack import about

# Views that wait do so in a coroutine under ASGI and in a thread under WSGI; the others are the same under both.
waiting: Any
if about.interface == "asgi":
    from ponte import waiting_asgi as waiting
else:
    from ponte import waiting_wsgi as waiting

urlpatterns = [
    path("", methods(GET=instant(views.who))),
    path("healthz", methods(GET=instant(views.healthz))),
    path("readyz", methods(GET=waiting.readyz)),
    path("headers", methods(GET=instant(views.headers))),
    path("plaintext", methods(GET=instant(views.plaintext))),
    path("json", methods(GET=instant(views.json_message))),
    path("cpu", methods(GET=waiting.cpu)),
    path("wait", methods(GET=waiting.wait)),
    path("query", methods(GET=views.rows)),
    path("messages", methods(GET=views.list_messages, POST=views.post_message)),
    path("poll", methods(GET=waiting.poll)),
    path("echo", methods(POST=views.echo)),
    path("digest", methods(POST=views.digest)),
    path("stream", methods(GET=waiting.stream)),
    path("session", methods(GET=views.get_session, POST=views.post_session)),
    path("jobs", methods(POST=views.post_job)),
    path("jobs/<str:number>", methods(GET=views.get_job)),
    path("events", methods(GET=instant(views.events))),
    path("ws/echo", methods(GET=instant(views.websocket))),
    path("ws/chat", methods(GET=instant(views.websocket))),
]
handler404 = views.missing
handler500 = views.failed
