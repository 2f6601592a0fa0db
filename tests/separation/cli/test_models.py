"""``stemwright models``."""

from click.testing import CliRunner

from separation import cli as commands
from separation.registry import ModelRepository


def test_models_list_and_verify(model_repository: ModelRepository) -> None:
    for command in (["list"], ["verify"], ["verify", "spleeter-2stems"]):
        result = CliRunner().invoke(commands.models, [*command, "--repository", str(model_repository.path)])
        assert result.exit_code == 0
        assert result.stdout.startswith("spleeter-2stems  sha256:")
    result = CliRunner().invoke(commands.models, ["verify", "none", "--repository", str(model_repository.path)])
    assert result.exit_code == 1
