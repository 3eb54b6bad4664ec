"""YAML as experiment files need it: no name twice in a mapping, no anchors, nothing that makes objects."""

from __future__ import annotations

from typing import Any

import yaml


class _PlainLoader(yaml.SafeLoader):
    """A loader that refuses what multiplies or hides: aliases, and names that come twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML has no types
        """Compose a node; an alias is an error."""
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # as above
            raise yaml.composer.ComposerError(None, None, "aliases are not read", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002 - PyYAML's signature
        """Construct a mapping whose names are all different."""
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a name stands twice in one mapping", node.start_mark)
        return found


def read_yaml(text: str) -> Any:  # noqa: ANN401 - YAML
    """Read one YAML document.

    Raises:
        ValueError: It is no YAML, has an alias or a name twice; the message has line and column.
    """
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - derived from the safe loader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
