# The official image for all its architectures, as it was built in September 2026; another by --build-arg.
ARG BASE=python:3.12.14-slim-trixie@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea

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
