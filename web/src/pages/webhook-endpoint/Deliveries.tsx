import { Badge, Button, Code, Group, NativeSelect, Text } from "@mantine/core";
import { useState } from "react";
import {
  type Delivery,
  type DeliveryStatus,
  type Endpoint,
  useDeliveries,
  useEndpointActions,
} from "../../api/partners";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Row, Rows } from "../../components/Rows";
import { Done, Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./webhook-endpoint.module.css";

const STATUSES = ["all", "pending", "succeeded", "failed"] as const;
const COLOURS = { pending: "ember", succeeded: "pine", failed: "red" } as const;

/** What was sent to an endpoint, what it answered, and how it is sent again. */
export function Deliveries({ endpoint }: { endpoint: Endpoint }) {
  const { webhooks: words } = useTexts();
  const formats = useFormats();
  const [status, setStatus] = useState<DeliveryStatus | null>(null);
  const deliveries = useDeliveries(endpoint.id, status);
  const { redeliverFailed } = useEndpointActions(endpoint.id);
  return (
    <Sheet title={words.deliveries} lead={words.deliveriesLead}>
      <Group justify="space-between" align="end">
        <NativeSelect
          label={words.filter}
          size="md"
          value={status ?? "all"}
          data={STATUSES.map((value) => ({ value, label: words.statuses[value] }))}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setStatus(value === "all" ? null : (value as DeliveryStatus));
          }}
        />
        <Button
          variant="default"
          size="sm"
          disabled={!endpoint.enabled}
          loading={redeliverFailed.isPending}
          onClick={() => redeliverFailed.mutate()}
        >
          {words.redeliverFailed}
        </Button>
      </Group>
      <Refused problem={deliveries.error ?? redeliverFailed.error} />
      {redeliverFailed.data ? (
        <Done>{words.redelivered(formats.number(redeliverFailed.data.deliveries))}</Done>
      ) : null}
      {deliveries.items?.length === 0 ? <Text c="dimmed">{words.noDeliveries}</Text> : null}
      {deliveries.items?.length ? (
        <Rows>
          {deliveries.items.map((delivery) => (
            <One key={delivery.id} delivery={delivery} endpoint={endpoint} />
          ))}
        </Rows>
      ) : null}
      <More more={deliveries.more} loading={deliveries.loadsMore} />
    </Sheet>
  );
}

function One({ delivery, endpoint }: { delivery: Delivery; endpoint: Endpoint }) {
  const { webhooks: words } = useTexts();
  const formats = useFormats();
  const { redeliver } = useEndpointActions(endpoint.id);
  return (
    <Row
      end={
        <Button
          size="compact-sm"
          variant="default"
          disabled={!endpoint.enabled}
          loading={redeliver.isPending}
          aria-label={words.redeliverOf(delivery.event_type)}
          onClick={() => redeliver.mutate(delivery.id)}
        >
          {words.redeliver}
        </Button>
      }
    >
      <Group gap="xs">
        <Text fw={500} dir="ltr">
          {delivery.event_type}
        </Text>
        <Badge variant="light" color={COLOURS[delivery.status]} radius="sm" tt="none" fw={500}>
          {words.status[delivery.status]}
        </Badge>
      </Group>
      <Text size="sm" c="dimmed">
        {[
          formats.instant(delivery.created_at),
          ...(delivery.due_at && delivery.attempts.length > 0
            ? [words.nextAt(formats.instant(delivery.due_at))]
            : []),
        ].join(" · ")}
      </Text>
      <details className={classes.more}>
        <summary>{words.attempts(formats.number(delivery.attempts.length))}</summary>
        <ol className={classes.attempts}>
          {delivery.attempts.map((attempt) => {
            const took = formats.number(Math.round(1000 * attempt.seconds));
            return (
              <li key={attempt.started_at}>
                {formats.instant(attempt.started_at)}:{" "}
                {attempt.status_code === null
                  ? words.unanswered(took)
                  : words.answered(String(attempt.status_code), took)}
                {attempt.problem ? <bdi> ({attempt.problem})</bdi> : null}
                {attempt.answer ? (
                  <Code block dir="ltr" className={classes.body}>
                    {attempt.answer}
                  </Code>
                ) : null}
              </li>
            );
          })}
        </ol>
        {delivery.event ? (
          <>
            <Text size="sm">{words.body}</Text>
            <Code block dir="ltr" className={classes.body}>
              {JSON.stringify(delivery.event, null, 2)}
            </Code>
          </>
        ) : null}
      </details>
      <Refused problem={redeliver.error} />
    </Row>
  );
}
