"""Who got which message when: what a fan-out delivered, lost, repeated and disordered."""

from array import array
from dataclasses import dataclass

import numpy as np

from loadtests.sockets.figures import Array, percentile


@dataclass(frozen=True)
class Delivery:
    """Seconds. Of a message that came twice the first arrival counts; order is that of the ids."""

    messages: int
    subscribers: int
    expected: int
    received: int
    reach: float  # received / expected
    lost: int
    duplicates: int
    reordered: int  # arrived after one of a higher id, at the same subscriber
    p50: float
    p99: float
    max: float
    spread_p50: float  # from the first subscriber that has a message to the last
    spread_p99: float
    spread_max: float


@dataclass(frozen=True)
class Arrivals:
    """One entry per message and subscriber that got it."""

    message: Array  # int64, its number
    subscriber: Array  # int64
    id: Array  # int64
    at: Array  # float64, CLOCK_MONOTONIC

    def where(self, mask: Array) -> "Arrivals":
        return Arrivals(self.message[mask], self.subscriber[mask], self.id[mask], self.at[mask])

    def first(self) -> "Arrivals":
        """Without those that came before, to the same subscriber."""
        pairs = np.column_stack((self.subscriber, self.message))
        return self.where(np.sort(np.unique(pairs, axis=0, return_index=True)[1]))


class Record:
    """Where arrivals are noted, in the order they come."""

    def __init__(self) -> None:
        self.message, self.subscriber, self.id, self.at = array("q"), array("q"), array("q"), array("d")

    def __len__(self) -> int:
        return len(self.at)

    def add(self, message: int, subscriber: int, number: int, at: float) -> None:
        self.message.append(message)
        self.subscriber.append(subscriber)
        self.id.append(number)
        self.at.append(at)

    def arrivals(self) -> Arrivals:
        return Arrivals(*(np.array(each, dtype=each.typecode) for each in (self.message, self.subscriber, self.id,
                                                                           self.at)))  # fmt: skip


def summary(arrivals: Arrivals, messages: Array, intended: Array, subscribers: Array) -> Delivery:
    """Of these messages (numbers, with the time each was due) to these subscribers (numbers)."""
    ours = arrivals.where(np.isin(arrivals.message, messages) & np.isin(arrivals.subscriber, subscribers))
    first = ours.first()
    place = np.searchsorted(messages, first.message)
    latency, spread = first.at - intended[place], spreads(place, first.at)
    expected = len(messages) * len(subscribers)
    return Delivery(
        len(messages), len(subscribers), expected, len(first.at), len(first.at) / expected if expected else float("nan"),
        expected - len(first.at), len(ours.at) - len(first.at), reordered(first), percentile("p50", latency),
        percentile("p99", latency), percentile("max", latency), percentile("p50", spread), percentile("p99", spread),
        percentile("max", spread),
    )  # fmt: skip


def spreads(place: Array, at: Array) -> Array:
    """Last less first arrival, of each message that came at all."""
    if not len(place):
        return np.zeros(0)
    lowest, highest = np.full(place.max() + 1, np.inf), np.full(place.max() + 1, -np.inf)
    np.minimum.at(lowest, place, at)
    np.maximum.at(highest, place, at)
    return (highest - lowest)[np.isfinite(lowest)]


def reordered(first: Arrivals) -> int:
    """How many came after one of a higher id."""
    if not len(first.at):
        return 0
    order = np.argsort(first.subscriber, kind="stable")
    _, rank = np.unique(first.id, return_inverse=True)
    # Subscribers one after the other, each on a floor above all ids of the one before: one running maximum does.
    height = first.subscriber[order] * (rank.max() + 1) + rank[order]
    return int(np.sum(height < np.maximum.accumulate(height)))
