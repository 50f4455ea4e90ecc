"""Does the other side answer at all? Asked before anything is begun, so that a mistake ends in a sentence."""

import ssl
import urllib.error
import urllib.request

from loadtests.errors import Stop

SECONDS = 5


def answers(url: str, service: str = "") -> None:
    """Raises Stop with the reason: nobody there, TLS wrong, or no such service."""
    where = f"{url}/{service}/healthz" if service else url
    try:
        urllib.request.urlopen(where, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        if service and error.code in (404, 502):
            raise Stop(f"{where} answers {error.code}: {service} does not run there", 3) from None
    except urllib.error.URLError as error:
        raise Stop(f"{url} does not answer ({reason(error.reason)})", 3) from None
    except (OSError, ValueError) as error:
        raise Stop(f"{url} does not answer ({reason(error)})", 3) from None


def reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return getattr(error, "strerror", None) or str(error)
