"""`stemwright topics`: the topics of the event log, and who needs which rights to them."""

import click

from services.kit.events import topic_plan
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerUnavailable
from services.kit.events.rights import SERVICES, grants
from services.kit.settings import KafkaSettings, load


@click.group()
def topics() -> None:
    """Plan and make the topics of the event log (KAFKA_BOOTSTRAP_SERVERS)."""


@topics.command()
def plan() -> None:
    """Print how topics differ from the list.

    Ends with status 1 if any does.
    """
    found = _said(topic_plan.plan)
    for difference in found:
        click.echo(str(difference))
    if found:
        raise SystemExit(1)
    click.echo("topics are as they should be")


@topics.command()
def apply() -> None:
    """Make what `plan` prints.

    Topics, partitions and settings; nothing is deleted.
    """
    apply_topics()


@topics.command()
@click.argument("service", type=click.Choice(SERVICES), required=False)
def rights(service: str | None) -> None:
    """Print the rights that services need.

    A right a line: service, right, kind and name; of all services or of one.
    """
    brokers = Brokers.of(load(KafkaSettings))
    for each in SERVICES:
        if service in (None, each):
            for grant in grants(each, brokers):
                click.echo(f"{each} {grant.right} {grant.kind} {grant.name}")


def apply_topics() -> None:
    """Makes topics as they are listed, and says what it did."""
    for difference in _said(topic_plan.apply):
        click.echo(f"{difference}: {'made' if difference.is_ours else 'left as it is'}")
    click.echo("topics are up to date")


def _said(work: topic_plan.Work) -> list[topic_plan.Difference]:
    try:
        return work(Brokers.of(load(KafkaSettings)))
    except BrokerUnavailable as error:
        raise click.ClickException(str(error)) from None
