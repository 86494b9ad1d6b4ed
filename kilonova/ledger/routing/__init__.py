"""What leads from one network to another, as rows: routers, their ends, floating IPs, and what of it a network node has."""
