# The operator's image. hack/image.sh puts the wheels into build/wheels beforehand, so that the build
# needs no network and takes nothing but what requirements/runtime.txt has hashes for.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# pip has a separate environment, so that the shipped one does not contain it.
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/nested-docker
COPY build/wheels/locked/*.whl /wheels/locked/
RUN /pip/bin/pip --python /opt/nested-docker/bin/python install --quiet --no-index --no-deps --no-compile \
        /wheels/locked/*.whl \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/nested-docker/lib/python3*/site-packages
COPY build/wheels/own/*.whl /wheels/own/
RUN /pip/bin/pip --python /opt/nested-docker/bin/python install --quiet --no-index --no-deps --no-compile \
        /wheels/own/*.whl \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/nested-docker/lib/python3*/site-packages/nested_docker \
    && /opt/nested-docker/bin/python -c "import nested_docker.app"
# Packages stay whole, so that what a scanner or an SBOM finds is what requirements/runtime.txt names.
RUN /opt/nested-docker/bin/python -c 'import importlib.metadata as metadata; \
        missing = [str(file) for each in metadata.distributions() for file in each.files if not file.locate().exists()]; \
        assert not missing, missing'

FROM ${BASE}
ARG VERSION=
LABEL org.opencontainers.image.title="nested-docker-operator" \
    org.opencontainers.image.description="Docker daemons for Kubernetes workloads, within what a cluster admin allows." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/nested-docker /opt/nested-docker
USER 65532:65532
ENTRYPOINT ["/opt/nested-docker/bin/nested-docker"]
CMD ["operator"]
