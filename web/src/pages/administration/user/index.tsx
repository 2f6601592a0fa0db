import { Alert, Button, Checkbox, Group, NumberInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "wouter";
import {
  type Account,
  type AccountView,
  adjustCredits,
  changeAccount,
  ROLES,
  useAccount,
} from "../../../api/administration";
import { useFormats, useTexts } from "../../../app/language";
import { Done, Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Waiting } from "../../../components/Waiting";
import { Act, Ask } from "../Ask";
import { AuditEntries } from "../AuditEntries";
import { Desk } from "../Desk";
import { Facts, Figures, Id } from "../Figures";
import { useWords } from "../words";

export default function User() {
  const texts = useTexts();
  const { users: words } = useWords();
  const { id = "" } = useParams();
  const account = useAccount(id);
  const known = account.data;
  return (
    <Desk
      title={texts.administration.user}
      end={
        known && known.disabled_at === null ? (
          <Ask
            what={words.suspend}
            lead={words.suspendLead}
            asksWhy={false}
            act={() => changeAccount(known.id, { disabled: true })}
            button={{ size: "sm" }}
          />
        ) : null
      }
    >
      <Refused problem={account.error} />
      {account.isPending ? <Waiting /> : null}
      {known ? (
        <>
          <About account={known} />
          <Roles key={known.roles.join()} account={known} />
          <Credits account={known} />
          <Sheet title={words.events}>
            <AuditEntries accountId={known.id} kind={null} />
          </Sheet>
        </>
      ) : null}
    </Desk>
  );
}

function About({ account }: { account: Account }) {
  const all = useWords();
  const { users: words } = all;
  const formats = useFormats();
  return (
    <>
      {account.disabled_at === null ? null : (
        <Alert color="red" title={words.suspendedSince(formats.moment(account.disabled_at))}>
          <Act what={words.restore} act={() => changeAccount(account.id, { disabled: false })} />
        </Alert>
      )}
      <Figures
        of={[
          [words.available, formats.number(account.available_credits)],
          [words.reserved, formats.number(account.reserved_credits)],
          [words.debt, formats.number(account.debt_credits)],
        ]}
      />
      <Sheet title={account.email}>
        <Facts
          of={[
            [words.id, <Id key="id">{account.id}</Id>],
            [words.name, <bdi key="name">{account.display_name ?? all.none}</bdi>],
            [words.plan, <bdi key="plan">{account.plan}</bdi>],
            [words.joined, formats.moment(account.created_at)],
            [
              words.jobs,
              <Link key="jobs" href={`/administration/jobs?query=${account.id}`}>
                {all.search}
              </Link>,
            ],
            [
              words.payments,
              <Link key="payments" href={`/administration/payments?query=${account.id}`}>
                {all.search}
              </Link>,
            ],
          ]}
        />
      </Sheet>
    </>
  );
}

/** Asks for everything of administration anew after a change. */
function useChange<T>(mutationFn: (change: T) => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn,
    onSuccess: () => queries.invalidateQueries({ queryKey: ["administration"] }),
  });
}

function Roles({ account }: { account: Account }) {
  const { users: words } = useWords();
  const [roles, setRoles] = useState<string[]>(account.roles);
  const change = useChange(() =>
    changeAccount(account.id, { roles: ["user", ...roles.filter(isRole)] as AccountView["roles"] }),
  );
  return (
    <Sheet title={words.roles} lead={words.rolesLead}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate(undefined);
        }}
      >
        <Stack>
          <Checkbox.Group value={roles} onChange={setRoles} aria-label={words.roles}>
            <Group>
              {ROLES.map((role) => (
                <Checkbox key={role} value={role} label={words.roleNames[role]} />
              ))}
            </Group>
          </Checkbox.Group>
          <Refused problem={change.error} />
          {change.isSuccess ? <Done>{words.saved}</Done> : null}
          <div>
            <Button type="submit" size="sm" variant="default" loading={change.isPending}>
              {words.save}
            </Button>
          </div>
        </Stack>
      </form>
    </Sheet>
  );
}

function isRole(role: string): boolean {
  return (ROLES as readonly string[]).includes(role);
}

function Credits({ account }: { account: Account }) {
  const all = useWords();
  const { users: words } = all;
  const form = useForm({ initialValues: { credits: "" as number | "", reason: "", expires: "" } });
  const change = useChange(({ credits, reason, expires }: typeof form.values) =>
    adjustCredits(account.id, {
      credits: Number(credits),
      reason,
      expires_at: expires === "" ? null : new Date(expires).toISOString(),
    }),
  );
  return (
    <Sheet title={words.adjust} lead={words.adjustLead}>
      <form onSubmit={form.onSubmit((values) => change.mutate(values, { onSuccess: () => form.reset() }))}>
        <Stack>
          <Group align="start" grow preventGrowOverflow={false}>
            <NumberInput
              label={words.credits}
              size="md"
              required
              allowDecimal={false}
              {...form.getInputProps("credits")}
            />
            <TextInput label={all.reason} required maxLength={200} {...form.getInputProps("reason")} />
            <TextInput
              label={words.expires}
              description={words.expiresHint}
              inputWrapperOrder={["label", "input", "description"]}
              type="datetime-local"
              {...form.getInputProps("expires")}
            />
          </Group>
          <Refused problem={change.error} />
          {change.isSuccess ? <Done>{words.adjusted}</Done> : null}
          <div>
            <Button type="submit" size="sm" variant="default" loading={change.isPending}>
              {words.adjust}
            </Button>
          </div>
        </Stack>
      </form>
    </Sheet>
  );
}
