"""`stemwright doctor`."""

import json
import os
from dataclasses import asdict

import click

from separation.cli.brief import NearChoice
from services.doctor.checks import examine
from services.doctor.one_machine import settings_in_home
from services.kit.env_file import env_file_option
from services.kit.settings import home_folder

SERVICES = ("gateway", "accounts", "upload", "orchestrator", "notifier", "worker")


@click.command()
@click.argument("services", metavar="[SERVICE]...", type=NearChoice(SERVICES, "service"), nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of objects.")
@env_file_option
def doctor(services: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with a platform and what to do about it.

    Looks at all that SERVICE (default: every one) needs, by the settings in the environment or of the platform that
    runs in STEMWRIGHT_HOME: settings, databases, event log, object store, models, Triton, clocks, disks. Puts a few
    objects under doctor/ in the bucket, and takes them away again. Ends with status 1 if anything is wrong.
    """
    for name, value in settings_in_home(home_folder(), os.environ).items():
        os.environ.setdefault(name, value)
    findings = []
    for finding in examine(services or SERVICES):
        findings.append(finding)
        if not as_json:
            colour = {"wrong": "red", "warning": "yellow"}.get(finding.state)
            click.secho(str(finding), fg=colour)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)
