#!/usr/bin/env bash
# Builds the operator's image; does nothing if the image of the current sources exists.
#
# Usage: hack/image.sh [TAG]
#   TAG      default nested-docker-operator:dev
#   BUILDER  cluster (default): build in an embedded cluster, and print the path of the image's archive,
#            which `hack/cluster/cluster load` takes to others;
#            docker: build with this machine's docker, which keeps the image;
#            wheels: only put the wheels into build/wheels, for a build by other means, and print the version
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-nested-docker-operator:dev}
builder=${BUILDER:-cluster}
home=${NESTED_DOCKER_CLUSTER_HOME:-$HOME/.cache/nested-docker/cluster}
file=${tag//[^A-Za-z0-9.-]/_}
archive=$home/images/built/$file.tar
stamp=$home/stamps/operator-$file
wheels=build/wheels
cluster=image

# One build at a time: a second one finds the image built. --close: child processes must not inherit the lock.
if [ -z "${IMAGE_LOCKED:-}" ]; then
    mkdir -p "$home/stamps"
    IMAGE_LOCKED=1 exec flock --close "$home/image.lock" "$0" "$@"
fi

sources() {
    cat Dockerfile .dockerignore hack/image.sh pyproject.toml README.md requirements/runtime.txt
    find operator/nested_docker -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
    cat "$home/stamps/image-python" 2>/dev/null || true
}

# Downloads wheels for the image's Python and this machine's architecture, whatever Python runs here.
download() {
    local machine wanted
    machine=$(uname -m)
    wanted="$machine $(sha256sum <requirements/runtime.txt)"
    [ "$(cat $wheels/locked/stamp 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf $wheels
    mkdir -p $wheels/locked
    .venv/bin/python -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes \
        --only-binary :all: --python-version 3.13 \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" \
        --dest $wheels/locked --requirement requirements/runtime.txt
    echo "$wanted" >$wheels/locked/stamp
}

wanted=$(sources | sha256sum)
if [ "$builder" = cluster ] && [ -f "$archive" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    echo "$archive"
    exit
fi
download >&2
rm -rf $wheels/own
.venv/bin/uv build --quiet --wheel --out-dir $wheels/own >&2
version=$(basename $wheels/own/*.whl | cut -d- -f2)

case $builder in
    docker)
        docker build --quiet --tag "$tag" --build-arg "VERSION=$version" . >&2
        ;;
    wheels)
        echo "$version"
        ;;
    cluster)
        trap 'hack/cluster/cluster down --name $cluster' EXIT
        hack/cluster/cluster up --name $cluster --owner make >/dev/null
        hack/cluster/cluster image build --name $cluster --tag "$tag" --build-arg "VERSION=$version" . >&2
        echo "$wanted" >"$stamp"
        echo "$archive"
        ;;
    *)
        echo "hack/image.sh: BUILDER=$builder: choose cluster, docker or wheels" >&2
        exit 2
        ;;
esac
