"""`stemwright doctor`."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from separation.cli.brief import NearChoice
from services.doctor.checks import examine
from services.doctor.findings import Finding
from services.doctor.one_machine import is_elsewhere, own_settings, platform, settings_in_home
from services.kit.env_file import env_file_option
from services.kit.settings import home_folder
from services.local.part_settings import environment

SERVICES = ("gateway", "accounts", "upload", "orchestrator", "notifier", "worker")
ON_REQUEST = ("canary",)
"""What a platform need not have is looked at where it is named."""


@click.command()
@click.argument("services", metavar="[SERVICE]...", type=NearChoice((*SERVICES, *ON_REQUEST), "service"), nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of objects.")
@env_file_option
def doctor(services: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with a platform and what to do about it.

    Looks at all that SERVICE (default: every one) needs, by the settings in the environment or of the platform that
    runs in STEMWRIGHT_HOME: settings, databases, event log, object store, models, Triton, clocks, disks. Puts a few
    objects under doctor/ in the bucket, and takes them away again. Where nothing runs on this machine a line says so,
    and what can be looked at without it is. Ends with status 1 if anything is wrong.
    """
    on_one_machine = not is_elsewhere(os.environ)
    findings = []
    with environment(settings_in_home(home_folder(), os.environ)):
        for finding in _look(services or SERVICES, on_one_machine=on_one_machine):
            findings.append(finding)
            if not as_json:
                colour = {"wrong": "red", "warning": "yellow"}.get(finding.state)
                click.secho(str(finding), fg=colour)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)


def _look(services: Sequence[str], *, on_one_machine: bool) -> Iterator[Finding]:
    if not on_one_machine:
        yield from examine(services)
        return
    life, said = platform(home_folder())
    yield from said
    yield from own_settings()
    yield from examine(services, life)
