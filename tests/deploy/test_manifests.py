"""The Kubernetes manifests: every pod locked down, every reference to something that is there."""

from typing import Any

import pytest
from described import compose, manifests, pods

EVERY = pytest.mark.parametrize("name", pods())


@EVERY
def test_every_pod_is_locked_down(name: str) -> None:
    spec, container = pods()[name]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    pod = spec["securityContext"]
    # The image's own user: docs/images.md.
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"]) == (True, 1000, 0)
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@EVERY
def test_secrets_are_mounted_where_the_settings_look(name: str) -> None:
    spec, container = pods()[name]
    (shared,) = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    mounted = set()
    volumes = {one["name"]: one for one in spec["volumes"]}
    for mount in container["volumeMounts"]:
        for item in volumes[mount["name"]].get("secret", {}).get("items", []):
            mounted.add(f"{mount['mountPath']}/{item['path']}")
    told = shared | {one["name"]: one["value"] for one in container.get("env", [])}
    assert mounted == {value for key, value in told.items() if key.endswith("_FILE")}


def test_selectors_and_names_lead_to_what_is_there() -> None:
    labels = {}
    for one in manifests():
        if one["kind"] == "Deployment":
            labels[one["metadata"]["name"]] = one["spec"]["template"]["metadata"]["labels"]
    for one in manifests():
        spec: dict[str, Any] = one.get("spec", {})
        if one["kind"] == "ScaledObject":
            assert spec["scaleTargetRef"]["name"] in labels
            names = {o["metadata"]["name"] for o in manifests() if o["kind"].startswith("Trigger")}
            assert {t["authenticationRef"]["name"] for t in spec["triggers"]} <= names
        elif "selector" in spec:
            wanted = spec["selector"].get("matchLabels", spec["selector"])
            assert wanted in labels.values(), one["metadata"]["name"]


def test_what_scales_the_workers_is_not_undone_by_their_own_manifest() -> None:
    kinds = {o["kind"]: o for o in manifests() if o["metadata"]["name"] == "nnx-grader-worker"}
    assert "ScaledObject" in kinds
    assert "replicas" not in kinds["Deployment"]["spec"]


def test_compose_locks_its_containers_down_alike() -> None:
    for name, one in compose()["services"].items():
        if name == "postgres":
            continue
        assert one["user"] == "1000:0"
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        has_socket = any("docker.sock" in volume for volume in one.get("volumes", []))
        assert has_socket == (one.get("profiles") == ["docker"])
