"""The base class reads the fields of a model from its class body."""

import enum
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Dict, List, Optional

import pytest

from target_python_sdk.types import Geo
from target_tools.schema.fields import JsonName, Maximum, MaxLength, Minimum, MinLength, OneOf, Pattern, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated


class Fruit(Model):
    """A closed set of values."""

    APPLE = "apple"


class Worm(Model):
    """A nested model."""

    name: Optional[str] = None
    """Its name."""


class Basket(Model):
    """One field of every kind."""

    count: ClassVar[int] = 0

    label: Annotated[Optional[str], Required, MaxLength(3), MinLength(2)] = None
    """Has two limits."""

    fruit: Annotated[Optional[str], Fruit] = None
    """From a closed set."""

    worms_found: Optional[List[Worm]] = None
    """Models."""

    tags: Optional[Dict[str, Any]] = None
    """Free."""

    weight: Annotated[Optional[float], Maximum(10), Minimum(1)] = None
    """A number."""

    color: Annotated[Optional[str], Pattern("^#"), JsonName("webRGBColor")] = None
    """Has another name on the wire."""

    extra: Annotated[Any, OneOf("string", "array")] = None
    """Anything."""

    sealed: Optional[bool] = True
    """Not ``None`` by default."""


def test_names_and_types_are_read_from_the_annotations():
    assert Basket.attribute_map == {
        "label": "label",
        "fruit": "fruit",
        "worms_found": "wormsFound",
        "tags": "tags",
        "weight": "weight",
        "color": "webRGBColor",
        "extra": "extra",
        "sealed": "sealed",
    }
    assert Basket.openapi_types == {
        "label": "str",
        "fruit": "Fruit",
        "worms_found": "list[Worm]",
        "tags": "dict(str, object)",
        "weight": "float",
        "color": "str",
        "extra": "OneOfstringarray",
        "sealed": "bool",
    }


def test_defaults_come_from_the_class_body():
    assert Basket("ab").sealed is True
    assert Basket.from_dict({}).sealed is True
    assert Basket.from_dict({"sealed": None}).sealed is None


def test_a_field_may_have_several_constraints():
    for value, complaint in [("abcd", "less than or equal to `3`"), ("a", "greater than or equal to `2`")]:
        with pytest.raises(ValueError, match=complaint):
            Basket(value)


def test_the_fields_of_a_subclass_follow_those_of_its_base():
    class Hamper(Basket):
        ribbon: Optional[str] = None

    hamper = Hamper("ab", ribbon="red")
    assert list(Hamper.attribute_map)[-1] == "ribbon" and "ribbon" not in Basket.attribute_map
    assert hamper.to_dict(True, True) == {"label": "ab", "sealed": True, "ribbon": "red"}
    with pytest.raises(ValueError, match="label"):
        Hamper()


def test_a_field_may_have_any_name():
    class Odd(Model):
        values: Optional[int] = None
        name: Annotated[Optional[str], MaxLength(1)] = None
        check: Optional[int] = None
        load: Optional[int] = None

    assert Odd(1, "x", 2, 3).to_dict() == {"values": 1, "name": "x", "check": 2, "load": 3}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="unions with a bar need Python 3.10")
def test_a_union_with_a_bar_is_read_like_optional():
    namespace: Dict[str, Any] = {"Model": Model, "Worm": Worm}
    exec("class Apple(Model):\n    worm: None | Worm = None\n    weight: int | None = None", namespace)
    assert namespace["Apple"].openapi_types == {"worm": "Worm", "weight": "int"}
    assert namespace["Apple"].from_dict({"worm": {"name": "Bob"}}).worm == Worm("Bob")


POSTPONED = """
    from __future__ import annotations

    from typing import ClassVar, Optional

    from target_python_sdk.types import Geo


    class Place(Geo):
        {}
"""


def test_a_field_with_a_postponed_annotation_is_refused():
    with pytest.raises(TypeError, match=r"Place\.planet: .* `from __future__ import annotations`"):
        exec(textwrap.dedent(POSTPONED).format("planet: Optional[str] = None"), {"__name__": "places"})


def test_a_subclass_with_postponed_annotations_may_declare_class_variables():
    namespace: Dict[str, Any] = {"__name__": "places"}
    exec(textwrap.dedent(POSTPONED).format('planet: ClassVar[str] = "Mars"'), namespace)
    assert namespace["Place"](city="Basel").to_dict() == Geo(city="Basel").to_dict()


def test_a_constructor_is_generated_when_it_is_first_used():
    class Late(Model):
        name: Optional[str] = None

    assert "__init__" in vars(Late) and not callable(vars(Late)["__init__"])
    assert Late("x").name == "x"
    assert callable(vars(Late)["__init__"])


def test_the_tables_are_built_when_one_of_them_is_first_read():
    class Late(Model):
        name: Annotated[Optional[str], MaxLength(1)] = None

    assert not isinstance(vars(Late)["attribute_map"], dict)
    assert Late.openapi_types == {"name": "str"}
    assert vars(Late)["attribute_map"] == {"name": "name"}


def test_a_class_can_first_be_used_by_its_constructor_from_dict_or_attribute_map():
    uses = [
        lambda cls: cls("x").to_dict(),
        lambda cls: cls.from_dict({"name": "x"}).to_dict(),
        lambda cls: cls.attribute_map and cls("x").to_dict(),
    ]
    for use in uses:

        class Late(Model):
            name: Optional[str] = None

        assert use(Late) == {"name": "x"}


def test_assignment_is_checked_on_the_first_use_of_a_class():
    class Late(Model):
        name: Annotated[Optional[str], MaxLength(1)] = None

    with pytest.raises(ValueError, match="name"):
        Late.__new__(Late).name = "too long"


def test_a_subclass_may_be_used_before_its_base():
    class Base(Model):
        first: Annotated[Optional[str], MaxLength(1)] = None

    class Own(Base):
        second: Optional[int] = None

        def __init__(self, first: Optional[str] = None) -> None:
            super().__init__(first)
            self.second = 2

    class Plain(Base):
        """A subclass without fields."""

    assert Own("a").to_dict() == {"first": "a", "second": 2}
    assert Plain("b").to_dict() == {"first": "b"} == Base("b").to_dict()
    assert Own.attribute_map == {"first": "first", "second": "second"}
    assert Plain.attribute_map == Base.attribute_map == {"first": "first"}
    for cls in (Own, Plain, Base):
        with pytest.raises(ValueError, match="first"):
            cls("a").first = "too long"


def test_a_model_without_constraints_inherits_setattr():
    seen = []

    class Watched:
        def __setattr__(self, name: str, value: Any) -> None:
            seen.append(name)
            super().__setattr__(name, value)

    class Late(Watched, Model):
        name: Optional[str] = None

    late = Late()
    late.name = "x"
    assert (seen, late.name) == (["name"], "x")
    assert Worm.__setattr__ is object.__setattr__


def test_threads_may_use_a_class_for_the_first_time_concurrently():
    class Late(Model):
        name: Annotated[Optional[str], MaxLength(1)] = None

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: Late.from_dict({"name": "x"}) == Late("x"), range(64)))
    assert all(found)


def test_a_member_of_a_str_enum_is_accepted_and_kept():
    class Label(str, enum.Enum):
        SHORT = "ab"

    assert Basket(Label.SHORT).label is Label.SHORT


@pytest.mark.process
@pytest.mark.skipif(sys.version_info < (3, 11), reason="typing has all the names from 3.11 on")
def test_the_types_do_not_import_typing_extensions_if_typing_has_every_name():
    program = "import sys, target_python_sdk.types; sys.exit('typing_extensions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.process
def test_the_types_import_neither_pprint_nor_dataclasses():
    # Other modules may import dataclasses: logging in Python 3.14 and newer, and some versions of orjson.
    program = textwrap.dedent(
        """
        import logging, sys
        try:
            import orjson
        except ImportError:
            pass
        before = set(sys.modules)
        import target_python_sdk.types
        sys.exit(", ".join({"pprint", "dataclasses"} & (set(sys.modules) - before)) or 0)
        """
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
