"""Activities for the tests of web frameworks."""

from typing import Any, Dict

#: The HTML of the mbox ``hero``. It would end a script element in which it is not escaped.
GREETING = "<b>Hello</b><script>document.title += '!'</script>"
ACTIVITIES: Dict[str, Any] = {
    "activities": [
        {
            "id": 1,
            "locations": ["hero", "target-global-mbox"],
            "views": ["cart"],
            "metrics": [{"type": "click"}],
            "experiences": [{"name": "A", "offer": {"html": GREETING}}],
        },
        {"id": 2, "locations": ["flags"], "experiences": [{"name": "A", "offer": {"json": {"color": "red"}}}]},
    ]
}
