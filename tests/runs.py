"""A run as an experiment writes it, to be rendered, stored and compared in tests."""

from typing import Any

LATENCY = {"p50": 0.0042, "p90": 0.0081, "p95": 0.0113, "p99": 0.0314, "p999": 0.0871, "max": 0.1432}
SERVICES = {
    "flask": (812.0, 0.00094),
    "django": (604.0, 0.00131),
    "django-asgi": (418.0, 0.00187),
    "fastapi": (1204.0, 0.00061),
}
SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1)


def run(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "format": 1,
        "id": "20261121-143000-load",
        "experiment": "load",
        "title": "Throughput",
        "started": "2026-11-21T14:30:00Z",
        "seconds": 240.1,
        "quick": False,
        "interrupted": False,
        "command": "./ponte load SLO=250ms",
        "config": {
            "services": list(SERVICES), "path": "/json", "slo": {"p99": 0.25, "errors": 0.001}, "arrivals": "poisson", "seed": 1,
            "stages": [{"name": f"{share:.0%}", "share": share, "seconds": 8.0, "warm_up": 2.0} for share in SHARES],
        },
        "environment": {
            "host": {"cpu": "AMD EPYC 7B13", "cores": 2, "memory": 8_320_000_000, "kernel": "6.1.0-28-amd64", "python": "3.11.7"},
            "versions": {"locust": "2.47.0", "geventhttpclient": "2.3.5", "numpy": "2.4.1", "nginx": "1.30.6"},
            "commit": "abc1234 (clean)",
            "placement": "The generator ran on CPU 1 and the stack on CPU 0: what is measured is one core's worth of stack.",
            "stack": {"url": "http://127.0.0.1:8080", "engine": "native", "replicas": dict.fromkeys(SERVICES, 2)},
        },
        "conclusion": "fastapi carries 1,204 requests/s at a p99 below 250 ms, 1.5 times flask and 2.9 times django-asgi.",
        "notes": [
            "Use django behind WSGI for this endpoint: django-asgi costs 1.4 times its CPU per request.",
            "One small JSON endpoint was measured, without a database; a query or a template changes the order.",
            "Not measured: TLS, HTTP/2, clients on a slow network, more cores than this machine has.",
        ],
        "verdict": {"word": "valid", "reasons": []},
        "tables": [capacity()],
        "plots": [hockey_stick(), cost(), ecdf("Latency at 80 % of each capacity", SERVICES)],
        "points": [point(name) for name in SERVICES],
        "validity": [
            {"figure": "generator run-queue wait", "worst": "4 %", "limit": "suspect above 10 %, invalid above 25 %", "verdict": "valid"},
            {"figure": "send lag p99", "worst": "1.2 ms", "limit": "suspect above 5 ms, invalid above 20 ms", "verdict": "valid"},
            {"figure": "achieved against offered", "worst": "99.7 %", "limit": "suspect below 98 %, invalid below 95 %", "verdict": "valid"},
            {"figure": "Little's law residual", "worst": "0.8 %", "limit": "suspect above 5 %", "verdict": "valid"},
        ],
    }  # fmt: skip
    return whole | changes


def capacity() -> dict[str, Any]:
    columns = [
        "Service",
        "Capacity (requests/s)",
        "95 % interval",
        "p50 (ms)",
        "p99 (ms)",
        "CPU per request (ms)",
        "Errors",
        "Measurement",
    ]
    rows = [
        [
            name,
            f"{rate:,.0f}",
            f"{rate * 0.97:,.0f} to {rate * 1.03:,.0f}",
            "4.2",
            "31.4",
            f"{cpu * 1000:.2f}",
            "0",
            "valid",
        ]
        for name, (rate, cpu) in SERVICES.items()
    ]
    return {
        "title": "Capacity at the SLO",
        "columns": columns,
        "rows": rows,
        "note": "SLO: p99 below 250 ms, errors below 0.1 %. Seven stages of 8 s; the first 2 s of each are dropped.",
    }


def hockey_stick() -> dict[str, Any]:
    series = []
    for name, (rate, _) in SERVICES.items():
        y = [4 / (1.004 - min(share, 1)) + (600 if share > 1 else 0) for share in SHARES]
        series.append(
            {
                "label": name,
                "x": [rate * share for share in SHARES],
                "y": y,
                "low": [v * 0.8 for v in y],
                "high": [v * 1.25 for v in y],
                "style": "line",
            }
        )
    return {
        "title": "Latency against offered rate", "note": "Bands: 95 % bootstrap intervals. Latency counts from the intended start.",
        "x": {"label": "offered rate (requests/s)", "scale": "linear"}, "y": {"label": "p99 latency (ms)", "scale": "log"},
        "series": series, "marks": [{"axis": "y", "at": 250, "label": "SLO 250 ms"}, {"axis": "x", "at": 1204, "label": "capacity of fastapi"}],
    }  # fmt: skip


def cost() -> dict[str, Any]:
    x = [1, 2, 4, 8]
    return {
        "title": "Speed-up against workers", "note": "",
        "x": {"label": "workers", "scale": "log"}, "y": {"label": "times one worker", "scale": "linear"},
        "series": [
            {"label": "flask", "x": x, "y": [1, 1.9, 2.6, 2.7], "low": [0.97, 1.8, 2.4, 2.4], "high": [1.03, 2.0, 2.8, 3.0], "style": "points"},
            {"label": "roofline", "x": x, "y": [1, 2, 2.65, 2.65], "low": None, "high": None, "style": "line"},
            {"label": "ideal", "x": x, "y": x, "low": None, "high": None, "style": "dashed"},
        ],
        "marks": [{"axis": "x", "at": 2, "label": "cores"}, {"axis": "x", "at": 5, "label": "2n+1"}],
    }  # fmt: skip


def ecdf(title: str, names: Any) -> dict[str, Any]:
    shares = [number / 200 for number in range(1, 201)]
    series = [
        {
            "label": name,
            "x": [(2 + number) * (1.02 - share) ** -0.7 for share in shares],
            "y": shares,
            "low": None,
            "high": None,
            "style": "step",
        }
        for number, name in enumerate(names)
    ]
    return {
        "title": title, "note": "", "x": {"label": "latency (ms)", "scale": "log"}, "y": {"label": "share of requests", "scale": "linear"},
        "series": series, "marks": [{"axis": "y", "at": 0.99, "label": "p99"}],
    }  # fmt: skip


def point(service: str) -> dict[str, Any]:
    return {
        "key": f"{service}/80%", "service": service, "stage": "80%", "repetition": 1, "offered": 400.0, "achieved": 399.2, "requests": 4000, "errors": 0,
        "latency": LATENCY, "service_time": LATENCY, "cost": {"edge": 0.00011, "app": 0.00094, "database": 0.0, "generator": 0.00021}, "memory": {"edge": 12_000_000},
        "validity": {"verdict": "valid", "reasons": [], "figures": {"run-queue wait": 0.04}},
    }  # fmt: skip


def invalid() -> dict[str, Any]:
    reasons = [
        "The generator waited 38 % of the time for a CPU that others used; its latencies are its own, not the stack's.",
        "Requests left up to 212 ms late.",
    ]
    return run(verdict={"word": "invalid", "reasons": reasons}, quick=True, interrupted=True)


def comparison() -> dict[str, Any]:
    a, b = run(), run(id="20261122-091500-load", started="2026-11-22T09:15:00Z")
    b["environment"] = b["environment"] | {"commit": "def5678 (with changes)"}
    table = {
        "title": "B divided by A", "columns": ["Service", "p50", "95 % interval", "p99", "95 % interval", "Answer"],
        "rows": [["flask", "1.01", "0.98 to 1.04", "1.03", "0.95 to 1.10", "not distinguishable"], ["fastapi", "1.22", "1.18 to 1.27", "1.31", "1.20 to 1.44", "regression"]],
        "note": "The noise floor of this machine, from A/A pairs, is 4 %.",
    }  # fmt: skip
    return {
        "a": a, "b": b, "conclusion": "B is slower: fastapi's p99 grew to 1.31 times A's, outside the noise.",
        "verdict": {"word": "valid", "reasons": []}, "tables": [table], "plots": [ecdf("fastapi at 400 requests/s", ["A", "B"])],
    }  # fmt: skip
