"""How large a load-testing session and the stack under it have to be, from what one request costs. Arithmetic only."""

from array import array
from dataclasses import dataclass
from math import ceil, sqrt

from loadtests.measure.samples import COLUMNS, NO_ID
from loadtests.measure.validity import BY_NAME
from loadtests.sockets.limits import SPARE

BUSY = BY_NAME["generator CPU of its core"].suspect  # above it a generator measures itself
PORTS = 60999 - 32768 + 1  # Linux's ip_local_port_range: connections of one address to one address and port
TIME_WAIT_SECONDS = 60  # for which Linux keeps the port of a connection that was closed from this side
CORES = 8  # of a machine; one is left to its kernel
SCATTER = 4  # standard deviations above the mean
PACKETS = 3  # a request, its answer, and the acknowledgement of that one
FRAME_BYTES = 90  # of a packet on Ethernet: 38 with preamble, checksum and gap, IP 20, TCP with its clock 32
IN_FLIGHT = 5000  # requests under way of a process, after which OpenModelUser drops arrivals and says so
PROCESS_BYTES, REQUEST_BYTES = 68 * 2**20, 11 * 2**10  # of a generator, and of each request that it has under way
SAMPLE_BYTES = sum(array(kind).itemsize for kind in COLUMNS.values()) + len(NO_ID)  # a request with --samples
WORKERS_OF_A_MASTER = 1000  # Locust's one was at its end with 1,279
PROXIED = 2  # connections of a proxied request in nginx
CONNECTIONS = 16384  # worker_connections of a worker: half of its files
POOL, LISTENER, RESERVED, MAX_CONNECTIONS = 4, 1, 10, 400  # of PostgreSQL, as deploy/limits.py has them


@dataclass(frozen=True)
class Work:
    """One request. Times are CPU seconds of each part; bytes are as nginx logs them."""

    generator: float
    edge: float
    app: float
    database: float
    seconds: float  # from the request to its answer
    request: int
    answer: int
    asks: bool  # the database


@dataclass(frozen=True)
class Session:
    """So many requests of one kind a second."""

    rate: float
    work: Work

    # -------------------------------------------------------------------- generators
    @property
    def rate_of_a_process(self) -> int:
        return int(round(BUSY / self.work.generator, 6))

    @property
    def processes(self) -> int:
        return cores(self.rate, self.work.generator)

    @property
    def machines(self) -> int:
        return ceil(self.processes / (CORES - 1))

    @property
    def masters(self) -> int:
        return ceil(self.processes / WORKERS_OF_A_MASTER)

    @property
    def under_way(self) -> float:
        """Little's law."""
        return self.rate * self.work.seconds

    @property
    def connections(self) -> int:
        """With keep-alive, one for each request at once: a Poisson number, where arrivals are."""
        return ceil(most(self.under_way))

    @property
    def addresses(self) -> int:
        """Of the generators together."""
        return max(self.machines, ceil(self.connections / PORTS))

    @property
    def addresses_unkept(self) -> int:
        """Where each request has a connection of its own, which the generator closes."""
        return max(self.machines, ceil(self.rate * TIME_WAIT_SECONDS / PORTS))

    @property
    def files_of_a_process(self) -> int:
        """For the worst of cases, a stack that does not answer."""
        return IN_FLIGHT + SPARE

    @property
    def sent(self) -> float:
        """Bits a second towards the stack: each request, and the acknowledgement of its answer."""
        return 8 * self.rate * (self.work.request + (PACKETS - 1) * FRAME_BYTES)

    @property
    def received(self) -> float:
        return 8 * self.rate * (self.work.answer + FRAME_BYTES)

    @property
    def packets(self) -> float:
        return PACKETS * self.rate

    @property
    def memory(self) -> float:
        return self.processes * PROCESS_BYTES + self.connections * REQUEST_BYTES

    @property
    def samples(self) -> float:
        """Bytes a minute."""
        return 60 * self.rate * SAMPLE_BYTES

    # -------------------------------------------------------------------- the stack
    @property
    def edge_cores(self) -> int:
        return cores(self.rate, self.work.edge)

    @property
    def edge_workers(self) -> int:
        """A worker for each core, and no fewer than hold the connections."""
        return max(self.edge_cores, ceil(PROXIED * self.connections / CONNECTIONS))

    @property
    def connections_of_a_worker(self) -> int:
        return ceil(PROXIED * self.connections / self.edge_workers)

    @property
    def app_processes(self) -> int:
        """Each has one core at most: of event loops there is one, and of threads one holds the interpreter."""
        return cores(self.rate, self.work.app)

    @property
    def connections_of_an_app(self) -> int:
        return ceil(most(self.under_way / self.app_processes))

    @property
    def database_cores(self) -> int:
        return cores(self.rate, self.work.database) if self.work.asks else 0

    @property
    def database_busy(self) -> int:
        """As if a request held one from its beginning to its end."""
        return self.connections if self.work.asks else 0

    @property
    def database_connections(self) -> int:
        """What PostgreSQL has to take: a release runs every process twice for a moment."""
        return 2 * self.app_processes * (POOL + LISTENER) + RESERVED if self.work.asks else 0


@dataclass(frozen=True)
class Crowd:
    """So many WebSockets that are held, and say nothing. Bytes are of one of them in each part."""

    sockets: int
    generator: float
    edge: float
    app: float
    files: int  # open ones that a process of the generator may have

    @property
    def processes(self) -> int:
        return ceil(self.sockets / (self.files - SPARE))

    @property
    def addresses(self) -> int:
        return ceil(self.sockets / PORTS)

    @property
    def edge_workers(self) -> int:
        return ceil(PROXIED * self.sockets / CONNECTIONS)

    @property
    def replicas(self) -> int:
        """One address of the edge has so many ports to each."""
        return ceil(self.sockets / PORTS)

    @property
    def generator_memory(self) -> float:
        return self.sockets * self.generator

    @property
    def edge_memory(self) -> float:
        return self.sockets * self.edge

    @property
    def app_memory(self) -> float:
        return self.sockets * self.app


def cores(rate: float, seconds: float) -> int:
    """So many, each as busy as it may be."""
    return ceil(round(rate * seconds / BUSY, 6))  # 7.000000000000001 are seven


def most(mean: float) -> float:
    """Of a Poisson number; one in thirty thousand moments has more."""
    return mean + SCATTER * sqrt(mean)
