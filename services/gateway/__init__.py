"""The one public entry: a reverse proxy with a closed route table, event streams, limits and the OpenAPI document."""
