"""Phase: one publisher at a fixed rate, and what reaches every subscriber on every replica."""

from collections import Counter
from dataclasses import dataclass

from loadtests.sockets.audience import Audience, Talk, uniform
from loadtests.sockets.delivery import Arrivals, Delivery, summary
from loadtests.sockets.errors import positive
from loadtests.sockets.figures import Array
from loadtests.sockets.pacing import AFTER_INTERRUPT_SECONDS, Progress, interrupted, silent

DRAIN_SECONDS = 5.0


@dataclass(frozen=True)
class FanOut:
    """Seconds. Delivery counts from when a message was due, to each subscriber."""

    rate: float
    total: Delivery
    replicas: dict[str, Delivery]  # by SERVICE/REPLICA of the subscribers
    unsent: int  # due while the publisher's connection was closed
    closed: dict[int, int]  # subscribers that were closed on the way, by code
    complaints: dict[str, int]  # answers to the publisher in the error shape, by their word
    interrupted: bool
    intended: Array  # one per message that was sent
    sent: Array
    message: Array  # one per arrival: number of the message from 0
    subscriber: Array
    id: Array
    at: Array


async def fan_out(
    audience: Audience, rate: float, seconds: float, size: int = 0, drain: float = DRAIN_SECONDS,
    progress: Progress = silent,
) -> FanOut:  # fmt: skip
    """`size` pads the text of a message, up to 2000 characters."""
    positive(rate=rate, seconds=seconds)
    talk = Talk(audience, uniform(rate, seconds), size)
    open_before = [each for each in audience.members if each.open]
    if stopped := await interrupted(publish(talk, drain, len(audience.members), progress)):
        await talk.drain(AFTER_INTERRUPT_SECONDS, len(audience.members))
    closed = Counter(each.close_code for each in open_before if not each.open)
    return result(audience, talk, rate, dict(closed), stopped)


async def publish(talk: Talk, drain: float, subscribers: int, progress: Progress) -> None:
    await talk.publish(progress)
    await talk.drain(drain, subscribers)


def result(audience: Audience, talk: Talk, rate: float, closed: dict[int, int], stopped: bool) -> FanOut:
    arrivals, numbers, intended = audience.record.arrivals(), talk.numbers, talk.intended[talk.was_sent]

    def of(subscribers: Array) -> Delivery:
        return summary(arrivals, numbers, intended, subscribers)

    kept: Arrivals = arrivals.where(arrivals.subscriber >= 0)
    return FanOut(
        rate, of(audience.subscribers), {name: of(each) for name, each in audience.per_replica().items()},
        talk.unsent, closed, dict(audience.complaints), stopped, intended, talk.sent[talk.was_sent],
        kept.message - talk.first, kept.subscriber, kept.id, kept.at,
    )  # fmt: skip
