# Prepares the container for dockerd, then starts it under an init. Arguments: dockerd's flags.
# POSIX sh with no more than what Docker's own images and Debian's have. The kubelet expands a dollar sign before
# another one, or before a single word in parentheses, so this script has neither.

say() {
    echo "nested-docker: $1" >&2
}

refuse() {
    say "$1"
    exit 1
}

# --- the engine -------------------------------------------------------------------------------------

command -v dockerd >/dev/null ||
    refuse "the image has no dockerd: set spec.engine.image to an image with one, such as docker:29-dind"

version=$(dockerd --version | sed -n 's/^Docker version \([0-9]*\)\.0*\([0-9][0-9]*\).*/\1 \2/p')
major=${version% *}
if [ -n "$version" ] && [ $((major * 100 + ${version#* })) -lt 2010 ]; then
    refuse "the image has Docker $major, which is too old: set spec.engine.image to an image with Docker 20.10 or newer"
fi

flags=$(dockerd --help 2>&1)
knows() {
    case $flags in *" $1 "*) return 0 ;; esac
    return 1
}

configured() {
    case ${NESTED_DOCKER_CONFIG:-} in *"$1"*) return 0 ;; esac
    return 1
}

# Left by a process that was killed, if /run is on a volume.
rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid

# --- user namespace ---------------------------------------------------------------------------------

# Without one, this container's capabilities are the node's. An API server or a kubelet that does not know a field of
# the pod drops it without a word.
# start-rootless.sh has looked, and runs this script in a second one, within the pod's.
nested=
[ "${NESTED_DOCKER_USER_NAMESPACE:-}" != nested ] || nested=1
if [ -n "${NESTED_DOCKER_USER_NAMESPACE:-}" ]; then
    read -r _ outside _ </proc/self/uid_map
    [ -n "$nested" ] || [ "$outside" != 0 ] || refuse "the pod has no user namespace, so dockerd does not start"
    forward=$(cat /proc/sys/net/ipv4/ip_forward)
    { echo "$forward" >/proc/sys/net/ipv4/ip_forward; } 2>/dev/null ||
        refuse "/proc is read-only in the container, so inner containers could have no network"
    [ -n "$nested" ] || [ -f /sys/fs/cgroup/cgroup.controllers ] || refuse "the node has cgroup v1"
fi

# rootlesskit mounts its own files over these. Without them, names of Services are found as in other pods, by the
# cluster's name servers, which slirp4netns reaches.
if [ -n "$nested" ]; then
    for file in /etc/resolv.conf /etc/hosts; do
        umount "$file" || say "the pod's $file is hidden, so names of Services may not be found"
    done
    set -- --rootless "$@"
fi

# --- cgroups ----------------------------------------------------------------------------------------

# On cgroup v2 a privileged container sees the node's whole hierarchy, and dockerd would put inner containers next to
# the pod instead of under it, where the pod's limits do not reach. A cgroup that gives controllers to its children
# may hold no processes itself, hence the leaf. A probe or an exec can add a process meanwhile, hence the loop.
# A rootless dockerd makes no cgroups, so what it starts stays in the pod's.
if [ -z "$nested" ] && [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    here=/sys/fs/cgroup${own%/}
    words=$(mkdir -p "$here/init" 2>&1) || refuse "the pod's cgroup cannot be written: $words"
    for _ in 1 2 3 4 5; do
        missing=
        while read -r pid; do
            echo "$pid" >"$here/init/cgroup.procs" || true
        done <"$here/cgroup.procs" 2>/dev/null
        for controller in $(cat "$here/cgroup.controllers"); do
            { echo "+$controller" >"$here/cgroup.subtree_control"; } 2>/dev/null || missing="$missing $controller"
        done
        [ -n "$missing" ] || break
    done
    [ -z "$missing" ] || say "cgroup controllers that are not available to inner containers:$missing"
    set -- "$@" "--cgroup-parent=${own:-/}"
fi

# --- mounts -----------------------------------------------------------------------------------------

mounted() {
    while read -r _ point _; do
        [ "$point" != "$1" ] || return 0
    done </proc/self/mounts
    return 1
}

# Container runtimes' default profiles of AppArmor deny mount(2) even to root. dockerd would choose a driver that needs
# none, and report that it is ready, although no container can start.
profile=$(cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current 2>/dev/null) || true
case $profile in
*" (enforce)")
    mkdir -p /run/nested-docker-mount
    mount -t tmpfs tmpfs /run/nested-docker-mount 2>/dev/null ||
        refuse "AppArmor profile ${profile% (enforce)} denies mounts, so no container could start: in the class's \
securityModules, set the mode's appArmorProfile to type Unconfined, or to a profile that allows mount and umount"
    umount /run/nested-docker-mount || say "/run/nested-docker-mount cannot be unmounted"
    ;;
esac

# Otherwise inner containers cannot have shared or slave mounts of what is here.
words=$(mount --make-rshared / 2>&1) || {
    [ -z "${NESTED_DOCKER_USER_NAMESPACE:-}" ] || refuse "mounts are denied: $words"
    say "mount --make-rshared / failed: docker run -v with rshared or rslave does not work ($words)"
}

# dockerd and runc ask securityfs whether the kernel has AppArmor.
if grep -qs Y /sys/module/apparmor/parameters/enabled && ! mounted /sys/kernel/security; then
    mount -t securityfs securityfs /sys/kernel/security ||
        say "securityfs cannot be mounted: AppArmor does not confine inner containers"
fi

data_root=/var/lib/docker
for flag in "$@"; do
    case $flag in --data-root=*) data_root=${flag#*=} ;; esac
done

# Where Docker 29 finds one of these, it goes on with it, and has no containerd image store.
has_graph_driver() {
    for entry in "$data_root"/btrfs/* "$data_root"/fuse-overlayfs/* "$data_root"/overlay2/* "$data_root"/zfs/*; do
        [ ! -e "$entry" ] || return 0
    done
    return 1
}

# A disk, memory or a number of processes that is used up says nothing about a daemon with more of them, and a daemon
# with a full disk has to start, so that somebody can clear it.
met_a_limit() {
    case $1 in
    *"o space left on device"* | *"uota exceeded"* | *"annot allocate memory"* | *"ut of memory"*) return 0 ;;
    *"esource temporarily unavailable"* | *"oo many open files"* | *"an't fork"* | *newosproc*) return 0 ;;
    esac
    return 1
}

# Docker 29 reports that it is ready on a data-root where no container can start. Older engines choose another driver.
trial=$data_root/nested-docker-trial
remove_trial() {
    ! mounted "$trial/merged" || umount "$trial/merged" || say "$trial/merged cannot be unmounted"
    rm -rf "$trial" /run/nested-docker-trial
}

mount_overlay() {
    mkdir -p "$trial/lower" "$trial/upper" "$trial/work" "$trial/merged" || return 1
    mount -t overlay overlay -o "lowerdir=$trial/lower,upperdir=$trial/upper,workdir=$trial/work" "$trial/merged"
}

needs_overlay() {
    if configured '"containerd-snapshotter":true'; then
        ! configured '"storage-driver":' || configured '"storage-driver":"overlay'
    elif configured '"containerd-snapshotter":false' || has_graph_driver; then
        configured '"storage-driver":"overlay'
    elif configured '"storage-driver":'; then
        configured '"storage-driver":"overlay'
    else
        [ "${major:-0}" -ge 29 ]
    fi
}

[ ! -e "$trial" ] || remove_trial
trial_root=lower
if needs_overlay; then
    trial_root=merged
    words=$(mount_overlay 2>&1) || trial_root=
fi
if [ -z "$trial_root" ]; then
    remove_trial
    met_a_limit "$words" ||
        refuse "the data-root's filesystem does not support overlay mounts, so no container could start ($words): \
choose a spec.storage on ext4 or xfs, such as an EmptyDir, or set spec.engine.storageDriver to vfs, which is slow"
    say "the trial of an overlay mount met a limit, so nothing shows that the data-root supports them: $words"
    trial_root=lower
fi

# --- trial run --------------------------------------------------------------------------------------

# dockerd answers, too, where no container can start. So the engine's runtime first runs one whose program only ends,
# while the rest of this script goes on. It needs no dockerd, so no client, event or image has to do with it.
trial_program() {
    case $(uname -m 2>/dev/null) in
    x86_64) printf '@x86_64@' ;;
    aarch64 | arm64) printf '@aarch64@' ;;
    *) return 1 ;;
    esac
}

trial_bundle() {
    mkdir -p "$trial/$trial_root" || return 1
    trial_program >"$trial/$trial_root/trial" || return 1
    chmod 755 "$trial/$trial_root/trial" || return 1
    namespace=
    [ ! -f /sys/fs/cgroup/cgroup.controllers ] || namespace=',{"type":"cgroup"}'
    path=${own:-/}
    path=${path%/}/nested-docker-trial
    # A rootless runtime may make no cgroups, so it takes no path of one.
    [ -z "$nested" ] || path=
    printf '@bundle@' "$trial_root" "$path" "$namespace" >"$trial/config.json"
}

# Arguments: the runtime, and its own arguments. Prints what the runtime says.
trial_container() {
    set -- "$@" --root /run/nested-docker-trial
    if [ -e /run/nested-docker-trial/nested-docker-trial ]; then
        "$@" delete --force nested-docker-trial >/dev/null 2>&1 || true
    fi
    if command -v timeout >/dev/null; then set -- timeout -s KILL "$trial_seconds" "$@"; fi
    "$@" run --bundle "$trial" nested-docker-trial 2>&1 </dev/null
}

uptime_seconds() {
    read -r seconds _ </proc/uptime
    echo "${seconds%%.*}"
}

# Fails with 3 if no container can run. Anything else may be a limit that this process itself has met.
trial_run() {
    words=$(trial_bundle 2>&1) || {
        say "no trial container for this architecture or data-root, so nothing shows that containers can run: $words"
        return 0
    }
    trial_seconds=60
    for pause in 1 4 0; do
        began=$(uptime_seconds now)
        code=0
        words=$(trial_container "$@") || code=$?
        [ "$code" != @exit code@ ] || return 0
        if [ "$code" = 137 ] && [ $(($(uptime_seconds now) - began)) -lt "$trial_seconds" ] || met_a_limit "$words"; then
            say "the trial container met a limit, so nothing shows that containers can run: ${words:-it was killed}"
            return 0
        fi
        [ "$code" != 137 ] || words="the runtime did not end within $trial_seconds s"
        words=${words:-$1 ended with code $code and said nothing}
        [ "$pause" = 0 ] || sleep "$pause"
    done
    failed="the trial container did not run: $(printf '%s\n' "$words" | tail -n 3 | tail -c 1000)"
    say "$failed"
    { echo "nested-docker: $failed" >/dev/termination-log; } 2>/dev/null || true
    return 3
}

# Each line of the variable is a word: the runtime's path, and its arguments.
start_trial() {
    while IFS= read -r word; do set -- "$@" "$word"; done <<EOF
${NESTED_DOCKER_TRIAL_RUNTIME:-runc}
EOF
    trial_run "$@" &
    trial_process=$!
}

trial_process=
if [ "${NESTED_DOCKER_TRIAL:-}" = Off ]; then
    say "no trial container runs, so nothing shows that containers can run"
else
    start_trial
fi

# --- networks ---------------------------------------------------------------------------------------

# By netlink, by a sysfs of this network namespace, or by IPv6: /sys/class/net of a container in Sysbox 0.7.1 lists the
# node's interfaces. What else is read in /sys concerns the kernel, or is cgroupfs, which is mounted separately.
mtu_of() {
    found=$(ip link show dev "$1" 2>/dev/null | sed -n 's/.* mtu \([0-9][0-9]*\) .*/\1/p')
    if [ -z "$found" ]; then
        fresh=/run/nested-docker-sysfs
        mkdir -p "$fresh"
        if mount -t sysfs sysfs "$fresh" 2>/dev/null; then
            found=$(cat "$fresh/class/net/$1/mtu" 2>/dev/null) || true
            umount "$fresh" || say "$fresh cannot be unmounted"
        fi
    fi
    echo "${found:-$(cat "/proc/sys/net/ipv6/conf/$1/mtu" 2>/dev/null)}"
}

# Networks whose MTU exceeds the pod's own lose large packets without a word.
mtu=${NESTED_DOCKER_MTU:-}
if [ -z "$mtu" ]; then
    while read -r interface destination _; do
        if [ "$destination" = 00000000 ]; then
            mtu=$(mtu_of "$interface")
            [ -n "$mtu" ] || say "the MTU of $interface cannot be read, so networks of inner containers have Docker's \
1500: set spec.engine.mtu if pods have less"
            break
        fi
    done </proc/net/route
fi
if [ -n "$mtu" ]; then
    set -- "$@" "--mtu=$mtu"
    if knows --default-network-opt; then
        set -- "$@" "--default-network-opt=bridge=com.docker.network.driver.mtu=$mtu"
    fi
fi

# IPv4 addresses of the cluster that this container sees, at least their first two numbers. Only the kubelet knows that
# of the node.
addresses() {
    echo "${KUBERNETES_SERVICE_HOST:-}"
    echo "${NESTED_DOCKER_NODE:-}"
    sed -n 's/^nameserver[[:space:]]*//p' /etc/resolv.conf
    while read -r address first second _; do
        case ${HOSTNAME:-} in "$first" | "$second") echo "$address" ;; esac
    done </etc/hosts
    # The numbers are hexadecimal, the last one first. Bridges of dockerd are left of the container's last run.
    while read -r interface destination gateway _; do
        case $interface in Iface | lo | docker* | br-* | veth*) continue ;; esac
        for word in "$destination" "$gateway"; do
            rest=${word%??}
            printf '%d.%d.\n' "0x${word#??????}" "0x${rest#????}"
        done
    done </proc/net/route
}

# Ranges of Docker's default pools, 172.FIRST.0.0/PREFIX and 192.168.0.0/16, that hold none of those addresses. An
# address may be the first one of a range of Services, which can only be as long as its start is aligned.
if ! configured '"default-address-pools":'; then
    seen=$(addresses all | sort -u)
    pools=
    dropped=
    for pool in 17/16 18/16 19/16 20/14 24/14 28/14; do
        first=${pool%/*}
        last=$((first + (1 << (16 - ${pool#*/})) - 1))
        free=1
        for address in $seen; do
            case $address in 172.*) ;; *) continue ;; esac
            rest=${address#172.}
            start=${rest%%.*}
            span=1
            while [ "$span" -lt 16 ] && [ $((start % (span * 2))) -eq 0 ]; do span=$((span * 2)); done
            if [ "$start" -le "$last" ] && [ $((start + span - 1)) -ge "$first" ]; then free=; fi
        done
        if [ -n "$free" ]; then pools="$pools 172.$first.0.0/${pool#*/},size=16"; else dropped="$dropped $pool"; fi
    done
    case " $seen" in
    *[[:space:]]192.168.*) dropped="$dropped 192.168" ;;
    *) pools="$pools 192.168.0.0/16,size=20" ;;
    esac
    # None is free: a part of 10.0.0.0/8, which is shared evenly, where nothing is seen.
    if [ -z "$pools" ]; then
        for first in 208 224 240 192 176 160 144 128 112 80 64 48 32 16 96 0; do
            free=1
            for address in $seen; do
                case $address in 10.*) ;; *) continue ;; esac
                rest=${address#10.}
                if [ $((${rest%%.*} / 16 * 16)) -eq "$first" ]; then free=; fi
            done
            if [ -n "$free" ]; then
                pools=" 10.$first.0.0/12,size=20"
                break
            fi
        done
    fi
    if [ -n "$dropped" ]; then
        for pool in $pools; do set -- "$@" "--default-address-pool=base=$pool"; done
        say "networks of inner containers are in$pools, apart from what the cluster uses"
    fi
fi

# --- iptables ---------------------------------------------------------------------------------------

iptables_variant() {
    mkdir -p /run/nested-docker-bin
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        family=${tool%%-*}
        variant=$family-$1${tool#"$family"}
        path=$(command -v "$variant") || path=/usr/local/sbin/.iptables-$1/$tool
        [ -x "$path" ] || return 1
        ln -sf "$path" "/run/nested-docker-bin/$tool"
    done
    PATH=/run/nested-docker-bin:$PATH
    export PATH
}

iptables_works() {
    iptables -nL >/dev/null 2>&1
}

load_modules() {
    for module in "$@"; do modprobe "$module" >/dev/null 2>&1 || true; done
}

has_legacy_rules() {
    for family in ip ip6 arp; do
        ! grep -qs . "/proc/net/${family}_tables_names" || return 0
    done
    return 1
}

detect_iptables() {
    original=$PATH
    if has_legacy_rules && iptables_variant legacy && iptables_works; then return; fi
    PATH=$original
    if iptables_works; then return; fi
    load_modules nf_tables
    if iptables_works; then return; fi
    load_modules ip_tables ip6_tables
    for backend in legacy nft; do
        if iptables_variant "$backend" && iptables_works; then
            say "uses iptables-$backend, since the image's own iptables does not work on this node"
            return
        fi
        PATH=$original
    done
    say "no iptables of the image works on this node: $(iptables -nL 2>&1 || true)"
}

if [ -n "${NESTED_DOCKER_IPTABLES:-}" ]; then
    case $NESTED_DOCKER_IPTABLES in legacy) load_modules ip_tables ip6_tables ;; *) load_modules nf_tables ;; esac
    iptables_variant "$NESTED_DOCKER_IPTABLES" ||
        refuse "the image has no $variant, which spec.engine.iptables asks for: choose Auto, or another image"
else
    detect_iptables
fi

# --- certificates and configuration -----------------------------------------------------------------

# Go reads one file of authorities, and distributions have it in different places.
if [ -n "${NESTED_DOCKER_CA_BUNDLE:-}" ]; then
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
        /etc/ssl/ca-bundle.pem /etc/pki/tls/cacert.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem \
        /etc/ssl/cert.pem; do
        if [ -s "$file" ]; then break; fi
        file=
    done
    [ -n "$file" ] ||
        say "the image has no certificate authorities: dockerd trusts only those of spec.engine.caBundleRef"
    {
        if [ -n "$file" ]; then cat "$file"; fi
        echo
        cat "$NESTED_DOCKER_CA_BUNDLE"
    } >/run/nested-docker-ca.crt
    SSL_CERT_FILE=/run/nested-docker-ca.crt
    export SSL_CERT_FILE
fi

# The containerd image store reads mirrors from a file for each registry. A comment before each file has the registry.
write_mirrors() {
    while IFS= read -r line; do
        case $line in
        "# "*)
            folder=/etc/docker/certs.d/${line#??}
            mkdir -p "$folder" || return 1
            echo "$line" >"$folder/hosts.toml" || return 1
            ;;
        *) echo "$line" >>"$folder/hosts.toml" || return 1 ;;
        esac
    done
}

if [ -n "${NESTED_DOCKER_MIRRORS:-}" ]; then
    printf '%s' "$NESTED_DOCKER_MIRRORS" | write_mirrors ||
        refuse "spec.engine.mirrors cannot be written to /etc/docker/certs.d: in the class's podTemplate, mount folders of \
registries instead of the whole folder"
fi

mkdir -p /etc/docker
printf '%s' "${NESTED_DOCKER_CONFIG:-{\}}" >/etc/docker/daemon.json

# --- dockerd ----------------------------------------------------------------------------------------

code=0
if [ -n "$trial_process" ]; then wait "$trial_process" || code=$?; fi
remove_trial
[ "$code" != 3 ] || exit 1

# Sysbox has a service on the node, sysbox-fs, answer each call of mount(2) in a container. When that service ends, the
# calls fail with ENOSYS until the container starts again, and so does every inner container. The kubelet's probe cannot
# report it, since it cannot start either. Only ENOSYS counts, since any other error, and a call that hangs, may come
# from a full disk, a limit, a security module or load. A bind of what cannot exist changes nothing wherever it works.
# Without the variable, util-linux prefers newer calls, which Sysbox leaves to the kernel.
mount_is_unanswered() {
    case $(LC_ALL=C LIBMOUNT_FORCE_MOUNT2=always mount --bind /dev/null/none / 2>&1) in
    *"unction not implemented"*) return 0 ;;
    esac
    return 1
}

# Ends the first process, and so the container, after three failures in a row. Argument: seconds between two looks.
watch_mount() {
    failures=0
    while [ "$failures" -lt 3 ]; do
        sleep "$1"
        if mount_is_unanswered; then failures=$((failures + 1)); else failures=0; fi
    done
    lost="mount(2) is not implemented any more, so no inner container can start"
    say "$lost"
    { echo "nested-docker: $lost" >/dev/termination-log; } 2>/dev/null || true
    kill -TERM "$first"
    sleep $(($1 * 3))
    kill -KILL "$(cat /var/run/docker.pid)"
}

if [ -n "${NESTED_DOCKER_WATCH_MOUNT:-}" ]; then
    read -r first _ </proc/self/stat
    watch_mount "$NESTED_DOCKER_WATCH_MOUNT" &
fi

# Every container leaves a process behind, which only the first process of the container can reap; dockerd does not,
# and rootlesskit does.
[ -z "$nested" ] || exec dockerd "$@"
for init in docker-init tini catatonit; do
    if command -v "$init" >/dev/null; then exec "$init" -- dockerd "$@"; fi
done

# A shell that waits reaps every process that it gets. A signal ends one wait, so it waits until dockerd is gone.
dockerd "$@" &
daemon=$!
trap 'kill -TERM "$daemon"' TERM INT
code=0
while kill -0 "$daemon" 2>/dev/null; do
    wait "$daemon" && code=0 || code=$?
done
exit "$code"
