"""What becomes of each request of the corpus at the edge."""

from tests.corpus import CORPUS

HTTP_0_9 = 0  # answered with a body alone: a request without a version gets no head

# What nginx takes: it reads each in one way only and sends it on in its regular form.
TOLERATED = {
    "bare LF after every line",  # RFC 9112, section 2.2 lets a recipient end a line at LF
    "bare LF after one header",
    "bare LF before Content-Length",
    "bare LF at the end of the head",
    "no colon",  # a header with an empty value
    "version 1.10",  # sent on as 1.1
}
# What nginx passes on as it is, having no check for it over HTTP/1.1, and no variable that holds all header values:
# the server behind refuses it before an application sees it, in words of its own.
LEFT_TO_THE_SERVER = {"DEL in a value", "control character in a value"}

# Every other request -> how the edge refuses it.
REFUSED = dict.fromkeys(CORPUS, 400) | {
    "chunked, chunked": 501,  # an encoding that nginx does not know, however it would be read elsewhere
    "chunked, identity": 501,
    "identity": 501,
    "gzip, chunked": 501,
    "xchunked": 501,
    "chunked in quotes": 501,
    "chunked with a parameter": 501,
    "chunked behind a vertical tab": 501,
    "encoding empty": 501,
    "version 2.0": 505,
    "no version": HTTP_0_9,
}
for each in TOLERATED | LEFT_TO_THE_SERVER:
    del REFUSED[each]
