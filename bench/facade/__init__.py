"""What a request costs in the facade, beside nginx, Envoy, HAProxy and bare aiohttp in the same run."""
