"""What processes log while it is read."""

import json
import re
from typing import Any

# An engine puts a name in front of a line. (!) Of the line that is just being written only a part may be seen.
OBJECT = re.compile(r"^(?:\S+ +\| )?(\{.*\})$", re.MULTILINE)


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON object of each line that holds one and nothing else."""
    return [json.loads(each) for each in OBJECT.findall(text)]
