"""`stemwright topics`: the topics of the event log, and who needs which rights to them."""

import click

from services.kit.events import topic_plan
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerUnavailable
from services.kit.events.rights import GIVES_TOPICS, SERVICES, grants, grants_of_partner_topics
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
@click.argument("service", metavar="[SERVICE]", type=click.Choice(SERVICES), required=False)
@click.option("--partner-topics", is_flag=True, help="With what it takes to offer partners topics of their own.")
def rights(service: str | None, partner_topics: bool) -> None:
    """Print the rights that services need.

    A right a line: service, right, kind, name, and whether it is for that name alone (literal) or for all that begin
    with it (prefixed). SERVICE is gateway, upload, accounts, orchestrator, notifier or worker; all without it.
    """
    brokers = Brokers.of(load(KafkaSettings))
    for each in SERVICES:
        if service in (None, each):
            besides = grants_of_partner_topics(brokers) if partner_topics and each == GIVES_TOPICS else ()
            for grant in (*grants(each, brokers), *besides):
                click.echo(f"{each} {grant.right} {grant.kind} {grant.name} {grant.pattern}")


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
