# The operator's image. hack/image.sh puts the wheels into build/wheels beforehand, so that the build
# needs no network and takes nothing but what requirements/runtime.txt has hashes for.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# pip has a separate environment, so that the shipped one does not contain it.
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/nested-docker
COPY build/wheels/locked/*.whl /wheels/locked/
# Of the Kubernetes client only kubernetes.aio is used. Beside it the package has, and imports, a
# synchronous client of the same size, which would cost every start half a second and its memory.
RUN /pip/bin/pip --python /opt/nested-docker/bin/python install --quiet --no-index --no-deps --no-compile \
        /wheels/locked/*.whl \
    && cd /opt/nested-docker/lib/python3*/site-packages \
    && find kubernetes -mindepth 1 -maxdepth 1 ! -name aio -exec rm -r {} + \
    && touch kubernetes/__init__.py \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash .
COPY build/wheels/own/*.whl /wheels/own/
RUN /pip/bin/pip --python /opt/nested-docker/bin/python install --quiet --no-index --no-deps --no-compile \
        /wheels/own/*.whl \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/nested-docker/lib/python3*/site-packages/nested_docker \
    && /opt/nested-docker/bin/python -c "import nested_docker.app"

FROM ${BASE}
ARG VERSION=
LABEL org.opencontainers.image.title="nested-docker-operator" \
    org.opencontainers.image.description="Docker daemons for Kubernetes workloads, within what a cluster admin allows." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/nested-docker /opt/nested-docker
USER 65532:65532
ENTRYPOINT ["/opt/nested-docker/bin/nested-docker"]
CMD ["run"]
