"""Writes anew what is made (`make chart`): Strimzi's topics and rights, the README's values, the golden files."""

from tests.chart import kafka, readme
from tests.chart.rendering import EXAMPLES, GOLDEN, golden


def main() -> None:
    """Everything, in the order in which one needs the other."""
    kafka.FILE.write_text(kafka.content())
    readme.README.write_text(readme.current())
    for name in EXAMPLES:
        (GOLDEN / f"{name}.yaml").write_text(golden(name))


if __name__ == "__main__":
    main()
