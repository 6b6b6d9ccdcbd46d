# Runs dockerd's start script as root of a user namespace within that of the pod, where it has every capability, and
# with a separate network. Arguments: that script, and dockerd's flags.
# What start-dockerd.sh says of its shell and of dollar signs holds here, too.

refuse() {
    echo "nested-docker: $1" >&2
    exit 1
}

for program in rootlesskit slirp4netns newuidmap newgidmap ip; do
    command -v "$program" >/dev/null ||
        refuse "the image has no $program: set spec.engine.image to an image for rootless dockerd, such as \
docker:29-dind-rootless"
done

# An API server or a kubelet that does not know a field of the pod drops it without a word.
read -r _ outside _ </proc/self/uid_map
[ "$outside" != 0 ] || refuse "the pod has no user namespace, so dockerd does not start"
! grep -q '^NoNewPrivs:[[:space:]]*1' /proc/self/status ||
    refuse "privilege escalation is denied, so rootlesskit would hang"
[ -e /dev/net/tun ] && { true <>/dev/net/tun; } 2>/dev/null ||
    refuse "/dev/net/tun is missing, or may not be opened"

# Container runtimes' default profiles of AppArmor deny mount(2) in every user namespace, and rootlesskit would hang.
profile=$(cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current 2>/dev/null) || true
case $profile in
*" (enforce)")
    case $(unshare -U -r -m mount -t tmpfs tmpfs /run 2>&1) in
    *"ermission denied"*)
        refuse "AppArmor profile ${profile% (enforce)} denies mounts, so no container could start: in the class's \
securityModules, set the mode's appArmorProfile to type Unconfined, or to a profile that allows mount and umount"
        ;;
    esac
    ;;
esac

# Every ID of the pod is mapped to itself, so nothing in volumes or images has to change its owner.
for file in /etc/subuid /etc/subgid; do echo root:1:65535 >"$file"; done

# Left by a process that was killed, if /run is on a volume.
state=/run/nested-docker-rootless
rm -rf "$state"
printf '%s' "$1" >/run/nested-docker-start
shift

# dockerd finds its configuration and its files by these, where it is rootless.
export HOME=/root XDG_CONFIG_HOME=/etc XDG_RUNTIME_DIR=/run
export NESTED_DOCKER_USER_NAMESPACE=nested

# The network is one that is nobody's. Its MTU is that of a device which no packet leaves: slirp4netns opens sockets.
exec rootlesskit --state-dir="$state" --net=slirp4netns --cidr=192.0.2.0/24 --mtu=65520 --disable-host-loopback \
    --port-driver=builtin --publish="0.0.0.0:$NESTED_DOCKER_PORT:$NESTED_DOCKER_PORT/tcp" --pidns \
    /bin/sh -e /run/nested-docker-start "$@"
