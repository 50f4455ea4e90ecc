"""Operations on Django's own connections, which come from Django's own pool."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from core import database, messages
from core.messages import Operation
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, connections

from ponte.stack import replica

if replica.settings.database_url:
    # (!) Left to the garbage collector, the pool's threads are waited for 5 s each at the exit of Python 3.13.
    atexit.register(lambda: connections["default"].close_pool())


@contextmanager
def connected() -> Iterator[None]:
    """Gives the connection back to the pool at the end; a database that does not answer is a 503."""
    try:
        yield
    except (OperationalError, ImproperlyConfigured) as error:
        raise database.unavailable(error) from error
    finally:
        connection.close()


class DjangoDatabase:
    """Runs operations under WSGI, and from any thread."""

    def run(self, operation: Operation) -> Any:
        with connected(), connection.cursor() as cursor:
            return database.run(cursor, operation)


def ping() -> None:
    """Raises the 503 of a database that does not answer."""
    DjangoDatabase().run(messages.ping())


class AsyncDjangoDatabase:
    """The same under ASGI: Django's connections are of threads, so each operation runs in one."""

    async def run(self, operation: Operation) -> Any:
        return await sync_to_async(DjangoDatabase().run, thread_sensitive=False)(operation)
