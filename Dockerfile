# The operator's image. hack/image.sh puts the locked wheels into build/wheels beforehand, so that the
# build itself needs no network and nothing but what requirements/runtime.txt has hashes for.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
COPY build/wheels /wheels
RUN python3 -m venv --without-pip /opt/nested-docker \
    && python3 -m venv /tmp/pip \
    && /tmp/pip/bin/pip --python /opt/nested-docker/bin/python install --quiet --no-cache-dir --no-index \
        --find-links /wheels --no-compile nested-docker \
    && find /opt/nested-docker -name tests -type d -prune -exec rm -r {} + \
    && python3 -m compileall -q -j 0 /opt/nested-docker/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="nested-docker-operator" \
    org.opencontainers.image.description="Docker daemons for Kubernetes workloads, within what a cluster admin allows." \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/nested-docker /opt/nested-docker
USER 65532:65532
ENTRYPOINT ["/opt/nested-docker/bin/nested-docker"]
CMD ["run"]
