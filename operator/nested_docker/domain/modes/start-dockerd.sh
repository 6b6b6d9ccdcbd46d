# Prepares the container for dockerd, then becomes it. Arguments: dockerd's flags.
# POSIX sh with no more than what Docker's own images and Debian's have.

cgroup_root=${NESTED_DOCKER_CGROUP_ROOT:-/sys/fs/cgroup}
proc_self=${NESTED_DOCKER_PROC_SELF:-/proc/self}

# On cgroup v2 a privileged container sees the node's whole hierarchy, and dockerd would put inner
# containers next to the pod instead of under it, where the pod's limits do not reach. A cgroup that
# hands out controllers may hold no processes itself, hence the leaf for those that are here already.
if [ -f "$cgroup_root/cgroup.controllers" ]; then
    own=$(sed -n 's/^0:://p' "$proc_self/cgroup")
    here=$cgroup_root${own%/}
    mkdir -p "$here/init"
    while read -r pid; do
        echo "$pid" >"$here/init/cgroup.procs" || true
    done <"$here/cgroup.procs"
    for controller in $(cat "$here/cgroup.controllers"); do
        echo "+$controller" >"$here/cgroup.subtree_control" ||
            echo "nested-docker: cgroup controller $controller is not available to inner containers" >&2
    done
    set -- "$@" "--cgroup-parent=${own:-/}"
fi

# Networks whose MTU exceeds the pod's own lose large packets without a word.
mtu=${NESTED_DOCKER_MTU:-}
if [ -z "$mtu" ]; then
    while read -r interface destination _; do
        if [ "$destination" = 00000000 ] && [ -r "/sys/class/net/$interface/mtu" ]; then
            mtu=$(cat "/sys/class/net/$interface/mtu")
            break
        fi
    done </proc/net/route
fi
if [ -n "$mtu" ]; then
    set -- "$@" "--mtu=$mtu" "--default-network-opt=bridge=com.docker.network.driver.mtu=$mtu"
fi

if [ -n "${NESTED_DOCKER_IPTABLES:-}" ]; then
    mkdir -p /run/nested-docker-bin
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        family=${tool%%-*}
        variant=$family-$NESTED_DOCKER_IPTABLES${tool#"$family"}
        path=$(command -v "$variant") || {
            echo "nested-docker: the image has no $variant, which spec.engine.iptables asks for" >&2
            exit 1
        }
        ln -sf "$path" "/run/nested-docker-bin/$tool"
    done
    PATH=/run/nested-docker-bin:$PATH
    export PATH
fi

if [ -n "${NESTED_DOCKER_CA_BUNDLE:-}" ]; then
    SSL_CERT_FILE=/run/nested-docker-ca.crt
    export SSL_CERT_FILE
    cat /etc/ssl/certs/ca-certificates.crt "$NESTED_DOCKER_CA_BUNDLE" >"$SSL_CERT_FILE"
fi

mkdir -p /etc/docker
printf '%s' "${NESTED_DOCKER_CONFIG:-{\}}" >/etc/docker/daemon.json

exec dockerd "$@"
