"""YAML as experiment files need it: no name twice in a mapping, no anchors, nothing that makes objects."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_REAL: Final = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.inf|\.nan"
)
"""Numbers that YAML 1.1 and 1.2 and every reader take for the same: not 010, 1_0, 0b11 or 1:30, which stay texts."""


_TEXT: Final = "tag:yaml.org,2002:str"


class _PlainLoader(yaml.SafeLoader):
    """A loader that refuses what multiplies or hides: aliases, tags, and names that come twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML has no types
        """Compose a node; an alias is an error."""
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # as above
            raise yaml.composer.ComposerError(None, None, "aliases are not read", event.start_mark)
        event = self.peek_event()  # type: ignore[no-untyped-call]  # as above
        if event.tag not in (None, "!", _TEXT):  # the constructors of tags fail in ways of their own on what is no such
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not read", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002 - PyYAML's signature
        """Construct a mapping whose names are all different."""
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a name stands twice in one mapping", node.start_mark)
        return found


_PlainLoader.yaml_implicit_resolvers = {
    sign: [(tag, form) for tag, form in known if not tag.endswith((":int", ":float", ":timestamp"))]
    for sign, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"(?:{_WHOLE.pattern})\Z"), list("-+0123456789")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"(?:{_REAL.pattern})\Z"), list("-+.0123456789")
)


def read_yaml(text: str) -> Any:  # noqa: ANN401 - YAML
    """Read one YAML document.

    Raises:
        ValueError: It is no YAML, has an alias, a tag or a name twice; the message has line and column.
    """
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - derived from the safe loader
    except (yaml.YAMLError, OverflowError) as error:  # the number of a character may be larger than any
        raise ValueError(" ".join(str(error).split())) from error
