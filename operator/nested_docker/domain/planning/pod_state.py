"""A pod's status, translated to reasons of conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nested_docker.api.v1alpha1.nested_docker import ContainerResult
from nested_docker.domain.kube_types import ContainerStatus, PodCondition, PodStatus, Terminated
from nested_docker.domain.modes import trial_run
from nested_docker.domain.modes.base import ModeBehaviour
from nested_docker.domain.modes.confinement import missing_profile
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.objects import Manifest
from nested_docker.domain.planning.termination_log import cause, signal_name
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Reason

PULL_FAILURES = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
START_FAILURES = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"}
)
OUT_OF_MEMORY = "OOMKilled"

NO_SPACE = "no space left on device"
DISK_FULL = (
    "a disk is full, most likely that of the data-root: where spec.storage is a Claim, raise the size in the "
    "PersistentVolumeClaim; otherwise restart the NestedDocker, which gives it an empty data-root"
)
"""What to do when dockerd, or containerd beside it, ends with NO_SPACE among its last words."""

STARTING = (Reason.DAEMON_STARTING, "waiting for the daemon's first answer over TLS")
"""Reason and message while no failure is known."""

KUBELETS_SIGNALS = frozenset({"SIGTERM", "SIGKILL"})
_KUBELET_SENDS = "; the kubelet does it when the liveness probe fails, and then kubectl describe pod says so"


@dataclass(frozen=True)
class PodState:
    """A read-only view of an observed pod."""

    manifest: Manifest

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.manifest["metadata"].get("uid", ""))

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def created(self) -> datetime:
        """When the pod was created."""
        return parse_timestamp(self.manifest["metadata"]["creationTimestamp"])

    @property
    def node(self) -> str:
        """Node that the pod is bound to; empty: none yet."""
        return str(self.manifest.get("spec", {}).get("nodeName", ""))

    @property
    def ip(self) -> str:
        """The pod's address; empty: none yet."""
        return str(self._status.get("podIP", ""))

    @property
    def host_ip(self) -> str:
        """The node's address; empty: none yet."""
        return str(self._status.get("hostIP", ""))

    @property
    def terminating(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def ended(self) -> bool:
        """Whether it has ended, and never runs again."""
        return self._status.get("phase") in {"Failed", "Succeeded"}

    @property
    def succeeded(self) -> bool:
        """Whether every container has exited with code 0."""
        return self._status.get("phase") == "Succeeded"

    @property
    def daemon_has_started(self) -> bool:
        """Whether the daemon's process has ever run.

        A kubelet that rejects a pod after a restart forgets its containers, but not the pod's start time.
        """
        return bool(
            self.daemon_running
            or self.restarts
            or self._daemon.get("lastState")
            or self._daemon.get("state", {}).get("terminated", {}).get("startedAt")
            or (not self._daemon and "startTime" in self._status)
        )

    @property
    def restarts(self) -> int:
        """How often the daemon's container was restarted."""
        return int(self._daemon.get("restartCount", 0))

    @property
    def daemon_running(self) -> bool:
        """Whether the daemon's process runs."""
        return "running" in self._daemon.get("state", {})

    @property
    def daemon_ready(self) -> bool:
        """Whether the daemon's readiness probe succeeds."""
        return bool(self._daemon.get("ready"))

    @property
    def ready_since(self) -> str:
        """Since when all of its containers are ready, as `metav1.Time`; empty: they are not."""
        condition = self._condition("ContainersReady")
        return condition.get("lastTransitionTime", "") if condition.get("status") == "True" else ""

    @property
    def daemon_was_ready(self) -> bool:
        """Whether the daemon was ready after its last start, and is not any more."""
        since = self._daemon.get("state", {}).get("running", {}).get("startedAt", "")
        lost = self._condition("ContainersReady").get("lastTransitionTime", "")
        return bool(since) and not self.daemon_ready and lost > since

    @property
    def waits_silently(self) -> bool:
        """Whether the pod's status does not say what the kubelet waits for: only Events do."""
        waiting = self._daemon.get("state", {}).get("waiting", {}).get("reason", "")
        return (
            bool(self.node)
            and not self.ended
            and waiting in {"", "ContainerCreating", "PodInitializing"}
            and not self.daemon_running
        )

    def results(self, workload: list[str]) -> list[ContainerResult] | None:
        """Exit codes of the workload's containers; None: some still run."""
        results = []
        for name in workload:
            terminated = self._container(name).get("state", {}).get("terminated")
            if terminated is None:
                return None
            results.append(ContainerResult(name=name, exit_code=terminated.get("exitCode", -1)))
        return results

    def finished_idle(self, container: str) -> bool:
        """Whether the idle watch has exited with code 0, its sign that nothing used the daemon."""
        status = self._container(container)
        endings = (status.get("state", {}).get("terminated"), status.get("lastState", {}).get("terminated"))
        return any(ending is not None and ending.get("exitCode") == 0 for ending in endings)

    def failure(self, mode: ModeBehaviour, diagnosis: str) -> tuple[Reason, str]:
        """Why its daemon does not answer yet, as exactly as the status says.

        Args:
            mode: explains messages that only it knows.
            diagnosis: the kubelet's latest warning about the pod; empty: none.
        """
        return self._unschedulable() or self._container_failure(mode) or self._diagnosed(mode, diagnosis) or STARTING

    @property
    def stuck_container(self) -> str:
        """Which container beside a running daemon cannot start, with the kubelet's words; empty: none."""
        for status in self._container_statuses() if self.daemon_running else []:
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason", "") in PULL_FAILURES | START_FAILURES:
                said = f"{waiting.get('reason')}: {waiting.get('message', '')}"
                return f"container {status.get('name')} cannot start ({said})"
        return ""

    def ending(self) -> str:
        """Why it ended: reason and message of its status."""
        return ": ".join(part for part in self.status_reason if part) or f"phase {self._status.get('phase')}"

    @property
    def status_reason(self) -> tuple[str, str]:
        """Reason and message of its status; empty: none."""
        return str(self._status.get("reason", "")), str(self._status.get("message", ""))

    @property
    def disruption(self) -> tuple[str, str] | None:
        """Reason and message of the condition by which Kubernetes announces that it ends the pod; None: it does not."""
        condition = self._condition("DisruptionTarget")
        if condition.get("status") != "True":
            return None
        return str(condition.get("reason", "")), str(condition.get("message", ""))

    def out_of_memory(self) -> bool:
        """Whether the daemon's container last ended at its memory limit."""
        return self._last_ending.get("reason") == OUT_OF_MEMORY

    def _unschedulable(self) -> tuple[Reason, str] | None:
        condition = self._condition("PodScheduled")
        if condition.get("status") != "False":
            return None
        message = condition.get("message", "")
        if condition.get("reason") == "SchedulingGated":
            gates = ", ".join(gate["name"] for gate in self.manifest.get("spec", {}).get("schedulingGates", []))
            held = f" by scheduling gate {gates}" if gates else " by a scheduling gate"
            return (
                Reason.SCHEDULING_GATED,
                f"the pod is held{held}, which the class or an admission plugin of the cluster has set: whoever owns "
                "the gate removes it, for example Kueue when the queue admits the pod",
            )
        if "persistentvolumeclaim" in message.lower():
            return (
                Reason.VOLUME_NOT_BOUND,
                "the data-root's PersistentVolumeClaim is not bound: check its storageClassName and size "
                f"(the scheduler said: {message})",
            )
        return Reason.UNSCHEDULABLE, f"no node can take the pod (the scheduler said: {message})"

    def _container_failure(self, mode: ModeBehaviour) -> tuple[Reason, str] | None:
        for status in self._container_statuses():
            waiting = status.get("state", {}).get("waiting", {})
            reason, message = waiting.get("reason", ""), waiting.get("message", "")
            explained = mode.explain(message) if message else None
            if explained:
                return explained
            if reason in PULL_FAILURES:
                return (
                    Reason.IMAGE_PULL_FAILED,
                    f"image {status.get('image')} cannot be pulled: check its name, and spec.engine.imagePullSecrets "
                    f"({reason}: {message})",
                )
            if reason in START_FAILURES:
                missing = missing_profile(message)
                because = f", since {missing}" if missing else ""
                return (
                    Reason.POD_START_FAILED,
                    f"container {status.get('name')} cannot start{because} ({reason}: {message})",
                )
        return self._crash(mode)

    def _crash(self, mode: ModeBehaviour) -> tuple[Reason, str] | None:
        ending = self._last_ending
        if not ending:
            return None
        if ending.get("reason") == OUT_OF_MEMORY:
            return (
                Reason.DAEMON_OUT_OF_MEMORY,
                "the kernel killed the daemon's container at its memory limit, with every inner container: raise "
                "spec.resources.limits.memory, or limit inner containers with docker run --memory",
            )
        code, text = ending.get("exitCode", 0), str(ending.get("message", ""))
        explained = mode.explain(text) or trial_run.explain(text)
        if explained:
            return explained
        if code == 0:
            return Reason.DAEMON_RESTARTING, "the daemon's container stopped and the kubelet restarts it"
        killer = signal_name(code)
        if killer:
            return (
                Reason.DAEMON_CRASHED,
                f"the daemon was killed by {killer} (exit code {code}), and the kubelet restarts it: look for who sent "
                f"the signal{_KUBELET_SENDS if killer in KUBELETS_SIGNALS else ''}",
            )
        words = cause(text) or "it left no message; see kubectl logs"
        full = f" ({DISK_FULL})" if NO_SPACE in text else ""
        return Reason.DAEMON_CRASHED, f"the daemon exited with code {code}: {words}{full}"

    @staticmethod
    def _diagnosed(mode: ModeBehaviour, diagnosis: str) -> tuple[Reason, str] | None:
        if not diagnosis:
            return None
        explained = mode.explain(diagnosis)
        if explained:
            return explained
        missing, said = missing_profile(diagnosis), f"the kubelet said: {diagnosis}"
        return Reason.POD_START_FAILED, f"the pod cannot start, since {missing} ({said})" if missing else said

    @property
    def _status(self) -> PodStatus:
        status: PodStatus = self.manifest.get("status", {})
        return status

    @property
    def _daemon(self) -> ContainerStatus:
        return self._container(CONTAINER)

    @property
    def _last_ending(self) -> Terminated:
        state, last = self._daemon.get("state", {}), self._daemon.get("lastState", {})
        return state.get("terminated") or last.get("terminated") or {}

    def _condition(self, type_: str) -> PodCondition:
        conditions = self._status.get("conditions", [])
        return next((condition for condition in conditions if condition.get("type") == type_), PodCondition())

    def _container(self, name: str) -> ContainerStatus:
        statuses = self._container_statuses()
        return next((status for status in statuses if status.get("name") == name), ContainerStatus())

    def _container_statuses(self) -> list[ContainerStatus]:
        return [*self._status.get("initContainerStatuses", []), *self._status.get("containerStatuses", [])]
