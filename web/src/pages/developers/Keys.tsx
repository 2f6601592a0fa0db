import { Button, Chip, Code, Group, Input, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { type ApiKey, type Scope, useApiKeys, useMakeApiKey, useRevokeApiKey } from "../../api/keys";
import { useUser } from "../../api/session";
import { useLanguage, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { SecretOnce } from "../../components/SecretOnce";
import { Sheet } from "../../components/Sheet";
import classes from "./developers.module.css";

/** What a program may be let do; the last two are of use to partners alone. */
const SCOPES: readonly Scope[] = ["uploads", "jobs", "billing:read"];
const PARTNER_SCOPES: readonly Scope[] = [...SCOPES, "webhooks", "events"];
const USUAL: Scope[] = ["uploads", "jobs"];
const DAY_MILLISECONDS = 86_400_000;
const LIFETIMES = { month: 30, quarter: 90, year: 365, never: null } as const;
type Lifetime = keyof typeof LIFETIMES;

/** Keys of programs: made, shown once, ended. */
export function Keys() {
  const { developers: words } = useTexts();
  const { items, error, more, loadsMore } = useApiKeys();
  return (
    <Sheet title={words.keys} lead={words.keysLead}>
      <Refused problem={error} />
      {items?.length ? (
        <Rows>
          {items.map((key) => (
            <Key key={key.id} apiKey={key} />
          ))}
        </Rows>
      ) : null}
      {items?.length === 0 ? <Text c="dimmed">{words.none}</Text> : null}
      <More more={more} loading={loadsMore} />
      <NewKey />
    </Sheet>
  );
}

function Key({ apiKey }: { apiKey: ApiKey }) {
  const { texts, formats } = useLanguage();
  const words = texts.developers;
  const revoke = useRevokeApiKey();
  const [asked, setAsked] = useState(false);
  const facts = [
    apiKey.scopes.map((scope) => words.scopes[scope]).join(", "),
    apiKey.expires_at ? words.until(formats.day(apiKey.expires_at)) : words.forever,
    apiKey.last_used_at ? words.lastUsed(formats.moment(apiKey.last_used_at)) : words.neverUsed,
  ];
  return (
    <Row
      end={
        <Group gap="xs">
          <Button
            size="compact-md"
            variant={asked ? "filled" : "subtle"}
            color="red"
            loading={revoke.isPending}
            aria-label={words.named(asked ? words.revokeReally : words.revoke, apiKey.name)}
            onClick={() => (asked ? revoke.mutate(apiKey.id) : setAsked(true))}
          >
            {asked ? words.revokeReally : words.revoke}
          </Button>
          {asked ? (
            <Button size="compact-md" variant="default" onClick={() => setAsked(false)}>
              {words.keep}
            </Button>
          ) : null}
        </Group>
      }
    >
      <Text fw={500}>
        <bdi>{apiKey.name}</bdi> <Code dir="ltr">{apiKey.hint}</Code>
      </Text>
      <Text size="sm" c="dimmed">
        {facts.join(" · ")}
      </Text>
      <Refused problem={revoke.error} />
    </Row>
  );
}

function NewKey() {
  const { developers: words } = useTexts();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(USUAL);
  const [lifetime, setLifetime] = useState<Lifetime>("quarter");
  const make = useMakeApiKey();
  const offered = useUser()?.roles.includes("partner") ? PARTNER_SCOPES : SCOPES;

  function submit() {
    const days = LIFETIMES[lifetime];
    const expires_at = days === null ? null : new Date(Date.now() + days * DAY_MILLISECONDS).toISOString();
    make.mutate(
      { name: name.trim(), scopes: offered.filter((scope) => scopes.includes(scope)), expires_at },
      { onSuccess: () => setName("") },
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
            label={words.name}
            placeholder={words.namePlaceholder}
            required
            maxLength={100}
            flex="2 1 12rem"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <NativeSelect
            label={words.lifetime}
            size="md"
            flex="1 1 10rem"
            value={lifetime}
            onChange={(event) => setLifetime(event.currentTarget.value as Lifetime)}
            data={(Object.keys(LIFETIMES) as Lifetime[]).map((value) => ({
              value,
              label: words.lifetimes[value],
            }))}
          />
        </Group>
        <Input.Wrapper label={words.may} labelElement="div">
          <Chip.Group multiple value={scopes} onChange={(chosen) => setScopes(chosen as Scope[])}>
            <Group gap="xs" mt={6}>
              {offered.map((scope) => (
                <Chip key={scope} value={scope} variant="outline">
                  {words.scopes[scope]}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        </Input.Wrapper>
        <div>
          <Button type="submit" disabled={!name.trim() || scopes.length === 0} loading={make.isPending}>
            {words.make}
          </Button>
        </div>
      </form>
      <Refused problem={make.error} />
      {make.data?.key ? (
        <SecretOnce
          title={words.made}
          secret={make.data.key}
          texts={{ label: words.copyKey, copy: words.copy, copied: words.copied }}
        />
      ) : null}
    </Stack>
  );
}
