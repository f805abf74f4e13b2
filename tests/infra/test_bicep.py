"""infra/*.bicep by its syntax and by the types of its resources. The compiler (`az bicep build`) is not run here.

What is not checked: types of expressions, scopes, what Azure does with a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tree_sitter import Node

from tests.infra.bicep import EXPRESSION, FILES, INFRA, Declared, declared, names, nodes, parsed, text, tree

TYPES: dict[str, Any] = json.loads(Path(__file__).with_name("resource_schemas.json").read_text(encoding="utf-8"))[
    "types"
]
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLE_IDS = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Container Instances Contributor Role": "5d977122-f97e-4b4d-a52f-6b43003ddb4d",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Key Vault Administrator": "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}
OWN_ROLES = {"MLOps Reader": "readerRole.id"}
"""Roles that infra/ defines itself, and how an assignment names them."""
FUNCTIONS = {
    "empty",
    "guid",
    "int",
    "loadYamlContent",
    "resourceGroup",
    "subscription",
    "subscriptionResourceId",
    "uniqueString",
}
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def _resources(path: Path) -> list[Declared]:
    return declared(tree(path), "resource_declaration")


def _misfits(resource: Declared) -> list[str]:
    """What a resource's body has that its type refuses, or lacks that it requires; expressions fit everywhere."""
    body = {key: of for key, of in resource.body.items() if key not in {"scope", "parent", "dependsOn"}}
    errors = Draft202012Validator(TYPES[resource.of]).iter_errors(body)
    return [f"{resource.symbol}: {error.message}" for error in errors if error.instance != EXPRESSION]


@every_file
def test_the_syntax_is_valid(path: Path) -> None:
    assert not tree(path).has_error


def test_an_invalid_syntax_is_noticed() -> None:
    assert parsed("resource a 'b@c' = {\n  name 'x'\n}\n").has_error


@every_file
def test_resources_fit_their_types(path: Path) -> None:
    assert [fault for one in _resources(path) if not one.existing for fault in _misfits(one)] == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("adminUserEnabled: true", "adminUserEnable: true", "adminUserEnable"),
        ("adminUserEnabled: true", "adminUserEnabled: 'true'", "boolean"),
        ("name: 'Basic'", "name: 'Cheap'", "Cheap"),
        ("    issuer: issuer\n", "", "issuer"),
        ("systemDatastoresAuthMode: 'AccessKey'", "systemDatastoresAuthMode: 'accesskey'", "accesskey"),
    ],
)
def test_a_resource_that_does_not_fit_is_noticed(before: str, after: str, said: str) -> None:
    source = (INFRA / "environment.bicep").read_text(encoding="utf-8")
    assert source.count(before) == 1
    resources = declared(parsed(source.replace(before, after)), "resource_declaration")

    (fault,) = [fault for one in resources for fault in _misfits(one)]

    assert said in fault


@every_file
def test_each_name_is_declared_and_each_parameter_and_variable_is_used(path: Path) -> None:
    root = tree(path)
    given = [*names(root, "parameter_declaration"), *names(root, "variable_declaration")]
    symbols = [one.symbol for kind in ("resource_declaration", "module_declaration") for one in declared(root, kind)]

    assert _uses(root) - FUNCTIONS <= {*given, *symbols, "description"}
    assert set(given) <= _uses(root)


def _uses(root: Node) -> set[str]:
    """Identifiers that are read: neither the name of a declaration nor the key of an object."""
    return {text(node) for node in nodes(root, "identifier") if not _names_something(node)}


def _names_something(node: Node) -> bool:
    parent = node.parent
    assert parent is not None
    position = parent.named_children.index(node)
    return position == 0 and (parent.type.endswith("_declaration") or parent.type == "object_property")


@every_file
def test_a_module_gets_exactly_its_parameters(path: Path) -> None:
    for module in declared(tree(path), "module_declaration"):
        wanted = names(tree(INFRA / module.of), "parameter_declaration")
        assert set(module.body["params"]) == set(wanted), module.symbol
        outputs = re.findall(rf"\b{module.symbol}!?\.outputs\.(\w+)", path.read_text(encoding="utf-8"))
        assert set(outputs) <= set(names(tree(INFRA / module.of), "output_declaration")), module.symbol


def _roles() -> Iterator[tuple[str, str, str]]:
    """Who, role and scope of each role assignment, as the comment above it says."""
    for path in FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for resource in _resources(path):
            if resource.of.startswith("Microsoft.Authorization/roleAssignments@"):
                who, role, scope = lines[resource.line - 1].removeprefix("// Role: ").split(" | ")
                block = "\n".join(lines[resource.line : resource.line + 9])
                assert (OWN_ROLES.get(role) or f"'{ROLE_IDS[role]}'") in block, resource.symbol
                assert f", '{role}')" in block, resource.symbol
                yield who, role, scope


def test_the_table_of_roles_is_what_is_assigned() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    table = page.partition("| who | role | on | why |\n")[2].partition("\n\n")[0]
    rows = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in table.splitlines()[1:]]

    assert sorted(rows) == sorted(_roles())


def test_the_cluster_costs_nothing_while_idle_and_the_registry_lets_container_instances_pull() -> None:
    (cluster,) = [one for one in _resources(INFRA / "cluster.bicep") if one.of.split("@")[0].endswith("/computes")]
    (registry,) = [one for one in _resources(INFRA / "environment.bicep") if one.symbol == "registry"]

    assert cluster.body["properties"]["properties"]["scaleSettings"]["minNodeCount"] == 0
    assert registry.body["properties"]["adminUserEnabled"] is True
