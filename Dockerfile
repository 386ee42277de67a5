# vanlien in a container: built from the locks, run by a user without rights, nothing else inside.
#
#   docker build -t vanlien:0.1.0 .
# compose.yaml runs a cluster of it, compose.embedded.yaml one with everything inside; the first
# lines of each say how to begin.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
RUN python -m venv /opt/vanlien
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Dependencies first: they change less often than the source.
COPY requirements.lock ./
RUN /opt/vanlien/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY adapters adapters
COPY schemas schemas
COPY certs certs
RUN /opt/vanlien/bin/pip install --no-deps --no-build-isolation .

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /srv/vanlien --shell /usr/sbin/nologin vanlien \
 && install -d -o vanlien -g vanlien -m 0700 /srv/vanlien /var/lib/vanlien
COPY --from=build /opt/vanlien /opt/vanlien
ENV PATH=/opt/vanlien/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VANLIEN_CONFIG=/srv/vanlien/vanlien.toml
# A number: orchestrators that refuse root can tell that this is not root.
USER 10001
WORKDIR /srv/vanlien
VOLUME /srv/vanlien
EXPOSE 8480
# `vanlien health` asks /live at the address the settings name.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["vanlien", "health"]
ENTRYPOINT ["vanlien"]
CMD ["serve"]
