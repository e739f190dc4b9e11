"""Ships trained weights: writes zoo/NAME.safetensors and zoo/NAME.onnx and brings the numbers of the card up to date.

    python tools/publish.py runs/darkir-s darkir-s --data data
    python tools/publish.py light=runs/light-s detail=runs/detail-s lightwell-s --data data

What a person has to say (summary, training, known failures) stands in zoo/NAME.json already and stays. `data` holds
`lol_v1` (`our485`, `eval15`) and, for the numbers without truth, any folders named with --unpaired.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lightwell import zoo
from lightwell.errors import LightwellError
from lightwell.evaluation.publishing import publish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="a run or a file; of several networks ROLE=RUN each")
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--unpaired", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    folder = Path(zoo.__file__).parent
    named = {role: Path(run) for role, equals, run in (each.partition("=") for each in arguments.weights) if equals}
    weights = named or Path(arguments.weights[0])
    try:
        content = publish(weights, arguments.name, arguments.data, folder, unpaired=arguments.unpaired)
    except LightwellError as error:
        sys.exit(str(error))
    for number in content["numbers"]:
        print(number)


if __name__ == "__main__":
    main()
