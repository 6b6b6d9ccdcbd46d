#!/usr/bin/env bash
# Builds the operator's image and prints what the cluster tool can load: the archive's path.
#
# Usage: hack/image.sh [TAG]
#   TAG      default nested-docker-operator:dev
#   BUILDER  cluster (default): the embedded cluster's docker build; docker: the docker on this machine,
#            which keeps the image, so that nothing is printed
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-nested-docker-operator:dev}
uv=.venv/bin/uv
home=${NESTED_DOCKER_CLUSTER_HOME:-$HOME/.cache/nested-docker/cluster}
archive=$home/images/built/${tag/:/_}.tar
stamp=$home/stamps/operator-image

inputs() { cat Dockerfile hack/image.sh pyproject.toml requirements/runtime.txt; find operator/nested_docker -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum; }
wanted="$tag $(inputs | sha256sum)"
if [ "${BUILDER:-cluster}" = cluster ] && [ -f "$archive" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    echo "$archive"
    exit
fi

# The wheels of the image's own Python and platform, whatever runs this.
locked=build/wheels/.locked-$(sha256sum requirements/runtime.txt | cut -c1-16)
if [ ! -f "$locked" ]; then
    rm -rf build/wheels
    mkdir -p build/wheels
    .venv/bin/python -m pip --disable-pip-version-check download --quiet --require-hashes --only-binary :all: \
        --python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
        --dest build/wheels -r requirements/runtime.txt >&2
    touch "$locked"
fi
rm -f build/wheels/nested_docker-*.whl
$uv build --quiet --wheel --out-dir build/wheels >&2

if [ "${BUILDER:-cluster}" = docker ]; then
    docker build --quiet --tag "$tag" . >&2
    exit
fi
hack/cluster/cluster up --name build >/dev/null
trap 'hack/cluster/cluster down --name build' EXIT
hack/cluster/cluster image build --name build --tag "$tag" . >&2
mkdir -p "$home/stamps"
echo "$wanted" >"$stamp"
echo "$archive"
