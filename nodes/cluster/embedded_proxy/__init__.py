"""A fault-injecting TCP proxy with Toxiproxy's HTTP API, for machines without Toxiproxy.

    python -m nodes.cluster.embedded_proxy --port 0

`stages` are the toxics, `streams` carries bytes through them, `proxies` holds listeners and toxics,
`http_api` is the API. It follows Toxiproxy 2.12; the conformance suite in
tests/cluster/test_proxy_conformance.py runs against both and lists the intended differences.
"""
