# With BASE=python:3.12-slim@sha256:... it is certain what this stands on: docs/how-to/install.md.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements requirements
# What builds the wheel is locked too, in an environment that stays behind.
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /build \
 && /build/bin/pip install --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip /opt/aifactory \
 && /build/bin/pip --python /opt/aifactory/bin/python install --no-compile --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY solver solver
COPY image/slim.py image/slim.py
RUN /build/bin/python -m hatchling build --target wheel --directory /dist \
 && /build/bin/pip --python /opt/aifactory/bin/python install --no-compile --no-deps --no-index /dist/*.whl \
 && PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 /opt/aifactory/bin/python -P image/slim.py

FROM ${BASE}
# Nothing is written at run time but in /tmp: the root file system is read-only.
ENV PATH=/opt/aifactory/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/aifactory /opt/aifactory
# By number: Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
ENTRYPOINT ["aifactory"]
