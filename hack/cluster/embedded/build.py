"""`cluster build`: programs, root folders and image archives, each made only when something changed."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from embedded import golang, kubernetes, oci, packages, rootfs, vm_build
from embedded.catalogue import IMAGES, Image
from embedded.layout import Home
from embedded.locks import locked
from embedded.report import Clock
from embedded.stamps import Step, digest


def build(home: Home, clock: Clock, release: str = kubernetes.NEWEST, *, vm: bool = False) -> None:
    """Make all that `up` needs and that is missing or out of date.

    Args:
        home: Where.
        clock: For progress.
        release: Which Kubernetes.
        vm: Whether to make what `up --vm` needs, too.

    Raises:
        ClusterError: A step failed; the steps done before it stay done.
    """
    roots = {**rootfs.DEBIANS, **(vm_build.DEBIANS if vm else {})}
    home.path.mkdir(parents=True, exist_ok=True)
    with locked(home.path / "build.lock", clock.say):
        packages.install(home, clock)
        # compilers and downloads of packages hardly want the same resources
        with ThreadPoolExecutor() as pool:
            work = (programs(home, clock, release), debians(home, roots))
            jobs = [pool.submit(_run, steps, home, clock) for steps in work]
        for job in jobs:
            job.result()
        _run([archive(home, image) for image in IMAGES], home, clock)
        if vm:
            _run(vm_build.steps(home), home, clock)


def programs(home: Home, clock: Clock, release: str = kubernetes.NEWEST) -> list[Step]:
    """Steps that build from Go modules."""
    kubenode = [kubernetes.programs(home, release) / name for name in ("kubenode", "kubectl")]
    makers: list[tuple[str, str, golang.Maker, Sequence[str | Path]]] = [
        (f"kubenode{release}", "kubenode", partial(golang.build_kubenode, release=release), kubenode),
        ("node", "kubenode", golang.build_node, ("pause", "sysbox-stand-in")),
        ("runtime", "runtime", golang.build_runtime, ("containerd", "containerd-shim-runc-v2", "ctr", "runc")),
        ("engine", "engine", golang.build_engine, ("docker", "docker-proxy", "dockerd")),
        ("registry", "registry", golang.build_registry, ("registry",)),
        ("helm", "helm", golang.build_helm, ("helm",)),
        ("plugins", "plugins", golang.build_plugins, ("docker-buildx", "docker-compose", "testcontainers-probe")),
    ]
    steps = []
    for name, module, maker, made in makers:
        sources = (golang.SOURCES / module, Path(golang.__file__))

        def action(maker: golang.Maker = maker) -> None:
            maker(golang.toolchain(home, clock), home)

        def inputs(sources: tuple[Path, ...] = sources) -> str:
            return digest(sources)

        steps.append(Step(name, inputs, tuple(home.bin / program for program in made), action))
    return steps


def debians(home: Home, roots: Mapping[str, rootfs.Debian] = rootfs.DEBIANS) -> list[Step]:
    """Steps that make Debian root folders, each with its packages."""
    steps = []
    for name, debian in roots.items():

        def action(name: str = name, debian: rootfs.Debian = debian) -> None:
            rootfs.debian(home, name, debian)

        def inputs(debian: rootfs.Debian = debian) -> str:
            return digest([repr(debian), Path(rootfs.__file__)])

        steps.append(Step(f"root-{name}", inputs, (home.roots / name,), action))
    return steps


def archive(home: Home, image: Image) -> Step:
    """The step that packs an image."""
    target = (home.images if image.imported else home.on_request) / f"{image.name}.tar"

    def inputs() -> str:
        steps = [home.stamps / step for step in image.made_of]
        return digest([repr(image.tags), repr(image.config), Path(oci.__file__), Path(rootfs.__file__), *steps])

    def action() -> None:
        if image.make:
            image.make(home)
        oci.pack(home.roots / image.name, target, image.tags, image.config)

    return Step(f"image-{image.name}", inputs, (target,), action)


def _run(steps: Sequence[Step], home: Home, clock: Clock) -> None:
    for step in steps:
        if step.due(home.stamps):
            clock.say(f"building {step.name} …")
            begun = time.monotonic()
            step.run(home.stamps)
            clock.say(f"built {step.name} in {time.monotonic() - begun:.0f} s")
