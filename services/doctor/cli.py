"""`stemwright doctor`."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from separation.cli.brief import NearChoice
from services.doctor.checks import examine
from services.doctor.findings import Finding, skipped, warning
from services.doctor.here import services_here, services_of, services_of_home
from services.doctor.one_machine import Life, is_elsewhere, own_settings, platform, runs_in, settings_in_home
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
    and what can be looked at without it is. Where only some services run here, as in a pod, the others are skipped
    unless they are named, and a line says so. Ends with status 1 if anything is wrong.
    """
    on_one_machine = not is_elsewhere(os.environ) or runs_in(home_folder())
    findings = []
    with environment(settings_in_home(home_folder(), os.environ)):
        for finding in _look(services, on_one_machine=on_one_machine):
            findings.append(finding)
            if not as_json:
                colour = {"wrong": "red", "warning": "yellow", "skipped": "bright_black"}.get(finding.state)
                click.secho(str(finding), fg=colour)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)


def _look(named: Sequence[str], *, on_one_machine: bool) -> Iterator[Finding]:
    life: Life = "running"
    if not on_one_machine:
        here = services_here(SERVICES)
        if not here and not named:
            says = "none of ours runs on this machine, so all are looked at as if each were to"
            yield warning("services", says, "Name those that it is for: `stemwright doctor worker`.")
        here = here or list(SERVICES)
        why = "does not run here, and what it needs is told where it does"
    else:
        life, parts, said = platform(home_folder())
        yield from said
        wrongs = list(own_settings())
        yield from wrongs
        here = list(SERVICES) if wrongs else services_of(parts, SERVICES) if parts else services_of_home(SERVICES)
        why = "no part of this platform is one"
    yield from examine(named or here, life)
    for service in () if named else SERVICES:
        if service not in here:
            yield skipped(service, why, f"`stemwright doctor {service}` looks at what it needs all the same.")
