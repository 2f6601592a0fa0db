import { Alert, Anchor, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { type Endpoint, useEndpoint, useEndpointActions } from "../../api/partners";
import { useFormats, useTexts } from "../../app/language";
import { useTitle } from "../../app/title";
import { Done, Refused } from "../../components/Said";
import { SecretOnce } from "../../components/SecretOnce";
import { Sheet } from "../../components/Sheet";
import { Called } from "../developers/Webhooks";
import { Deliveries } from "./Deliveries";
import classes from "./webhook-endpoint.module.css";

export default function WebhookEndpoint() {
  const { webhooks: words } = useTexts();
  const { id = "" } = useParams();
  const { data: endpoint, error } = useEndpoint(id);
  useTitle(endpoint?.url);
  return (
    <Stack gap="lg">
      <div>
        <Anchor component={Link} href="/developers">
          {words.back}
        </Anchor>
        <Title order={1} className={classes.address} dir={endpoint ? "ltr" : undefined}>
          {endpoint?.url ?? words.endpoint}
        </Title>
      </div>
      <Refused problem={error} />
      {endpoint === null ? <Text>{words.unknown}</Text> : null}
      {endpoint ? (
        <>
          <About endpoint={endpoint} />
          <Deliveries endpoint={endpoint} />
        </>
      ) : null}
    </Stack>
  );
}

function About({ endpoint }: { endpoint: Endpoint }) {
  const { webhooks: words } = useTexts();
  const formats = useFormats();
  const { change, rotate, test } = useEndpointActions(endpoint.id);
  return (
    <Sheet title={words.endpoint}>
      <Group gap="xs">
        <Called endpoint={endpoint} />
        <Text c="dimmed">
          <bdi>
            {[
              endpoint.description,
              endpoint.event_types.length ? endpoint.event_types.join(", ") : words.allTypes,
              `${words.since} ${formats.day(endpoint.created_at)}`,
            ]
              .filter((fact) => fact !== null)
              .join(" · ")}
          </bdi>
        </Text>
      </Group>
      {endpoint.enabled ? null : (
        <Alert color="gray" variant="light">
          {words.why[endpoint.disabled_because ?? "owner"]}
        </Alert>
      )}
      {endpoint.failing_since ? (
        <Text>{words.failingSince(formats.moment(endpoint.failing_since))}</Text>
      ) : null}
      {endpoint.previous_secret_until ? (
        <Text c="dimmed">{words.bothUntil(formats.moment(endpoint.previous_secret_until))}</Text>
      ) : null}
      <Group gap="xs">
        <Button
          variant="default"
          size="sm"
          disabled={!endpoint.enabled}
          loading={test.isPending}
          onClick={() => test.mutate()}
        >
          {words.test}
        </Button>
        <Button
          variant="default"
          size="sm"
          loading={change.isPending}
          onClick={() => change.mutate({ enabled: !endpoint.enabled })}
        >
          {endpoint.enabled ? words.pause : words.resume}
        </Button>
        <Button variant="default" size="sm" loading={rotate.isPending} onClick={() => rotate.mutate()}>
          {words.rotate}
        </Button>
        <Remove endpoint={endpoint} />
      </Group>
      {test.isSuccess ? <Done>{words.testSent}</Done> : null}
      <Refused problem={test.error ?? change.error ?? rotate.error} />
      {rotate.data ? (
        <SecretOnce
          title={words.newSecret}
          secret={rotate.data.secret}
          texts={{ label: words.copySecret, copy: words.copy, copied: words.copied }}
        />
      ) : null}
    </Sheet>
  );
}

function Remove({ endpoint }: { endpoint: Endpoint }) {
  const { webhooks: words } = useTexts();
  const [asked, setAsked] = useState(false);
  const [, go] = useLocation();
  const { remove } = useEndpointActions(endpoint.id);
  return (
    <>
      <Button
        size="sm"
        variant={asked ? "filled" : "subtle"}
        color="red"
        loading={remove.isPending}
        onClick={() =>
          asked ? remove.mutate(undefined, { onSuccess: () => go("/developers") }) : setAsked(true)
        }
      >
        {asked ? words.removeReally : words.remove}
      </Button>
      {asked ? (
        <Button size="sm" variant="default" onClick={() => setAsked(false)}>
          {words.keep}
        </Button>
      ) : null}
      <Refused problem={remove.error} />
    </>
  );
}
