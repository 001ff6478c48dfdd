FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements requirements
# What builds the wheel is locked too, in an environment that stays behind.
RUN python -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN python -m venv --without-pip /opt/aifactory \
 && /build/bin/pip --python /opt/aifactory/bin/python install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY solver solver
RUN /build/bin/python -m hatchling build --target wheel --directory /dist \
 && /build/bin/pip --python /opt/aifactory/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl

FROM python:3.12-slim
# Nothing is written at run time but in /tmp: the root file system is read-only.
ENV PATH=/opt/aifactory/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/aifactory /opt/aifactory
# By number: Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
ENTRYPOINT ["aifactory"]
