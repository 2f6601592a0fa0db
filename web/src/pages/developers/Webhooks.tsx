import { Anchor, Badge, Button, Chip, Group, Input, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { type Endpoint, EVENT_TYPES, type EventType, useAddEndpoint, useEndpoints } from "../../api/partners";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { SecretOnce } from "../../components/SecretOnce";
import { Sheet } from "../../components/Sheet";
import classes from "./developers.module.css";

/** Where the account's programs are called: what there is, and a new one. */
export function Webhooks() {
  const { webhooks: words } = useTexts();
  const { items, error, more, loadsMore } = useEndpoints();
  return (
    <Sheet title={words.title} lead={words.lead}>
      <Refused problem={error} />
      {items?.length ? (
        <Rows>
          {items.map((endpoint) => (
            <EndpointRow key={endpoint.id} endpoint={endpoint} />
          ))}
        </Rows>
      ) : null}
      {items?.length === 0 ? <Text c="dimmed">{words.none}</Text> : null}
      <More more={more} loading={loadsMore} />
      <NewEndpoint />
    </Sheet>
  );
}

function EndpointRow({ endpoint }: { endpoint: Endpoint }) {
  const { webhooks: words } = useTexts();
  const formats = useFormats();
  const facts = [
    endpoint.description,
    endpoint.event_types.length ? endpoint.event_types.join(", ") : words.allTypes,
    endpoint.failing_since ? words.failingSince(formats.moment(endpoint.failing_since)) : null,
  ];
  return (
    <Row
      end={
        <Anchor
          component={Link}
          href={`/developers/webhooks/${endpoint.id}`}
          aria-label={words.openOf(endpoint.url)}
        >
          {words.open}
        </Anchor>
      }
    >
      <Group gap="xs">
        <Text fw={500} dir="ltr" className={classes.address}>
          {endpoint.url}
        </Text>
        <Called endpoint={endpoint} />
      </Group>
      <Text size="sm" c="dimmed">
        <bdi>{facts.filter((fact) => fact !== null).join(" · ")}</bdi>
      </Text>
    </Row>
  );
}

/** Whether an endpoint is called, in a word. */
export function Called({ endpoint }: { endpoint: Endpoint }) {
  const { webhooks: words } = useTexts();
  const state = endpoint.enabled ? "on" : (endpoint.disabled_because ?? "owner");
  const colour = state === "on" ? "pine" : state === "owner" ? "gray" : "red";
  return (
    <Badge variant="light" color={colour} radius="sm" tt="none" fw={500}>
      {words.states[state]}
    </Badge>
  );
}

function NewEndpoint() {
  const { webhooks: words } = useTexts();
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [types, setTypes] = useState<EventType[]>([]);
  const add = useAddEndpoint();

  function submit() {
    add.mutate(
      { url: url.trim(), event_types: types, description: description.trim() || null },
      {
        onSuccess: () => {
          setUrl("");
          setDescription("");
        },
      },
    );
  }

  return (
    <Stack>
      <form
        className={classes.form}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Group align="end">
          <TextInput
            label={words.address}
            description={words.addressHint}
            placeholder={words.addressPlaceholder}
            required
            type="url"
            dir="ltr"
            maxLength={2048}
            flex="2 1 16rem"
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
          />
          <TextInput
            label={words.note}
            placeholder={words.notePlaceholder}
            maxLength={200}
            flex="1 1 12rem"
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
        </Group>
        <Input.Wrapper label={words.types} description={words.typesHint} labelElement="div">
          <Chip.Group multiple value={types} onChange={(chosen) => setTypes(chosen as EventType[])}>
            <Group gap="xs" mt={6} dir="ltr">
              {EVENT_TYPES.map((type) => (
                <Chip key={type} value={type} variant="outline" size="xs">
                  {type}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        </Input.Wrapper>
        <div>
          <Button type="submit" disabled={!url.trim()} loading={add.isPending}>
            {words.add}
          </Button>
        </div>
      </form>
      <Refused problem={add.error} />
      {add.data ? (
        <SecretOnce
          title={words.secret}
          secret={add.data.secret}
          texts={{ label: words.copySecret, copy: words.copy, copied: words.copied }}
        />
      ) : null}
    </Stack>
  );
}
