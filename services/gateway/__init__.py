"""The one public door: a proxy over a closed table of routes, event streams, limits and the OpenAPI document."""
