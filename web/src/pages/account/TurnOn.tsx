import {
  Button,
  Code,
  CopyButton,
  Group,
  PasswordInput,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import type { components } from "../../api/schema";
import { useTexts } from "../../app/language";
import { QrCode } from "../../components/QrCode";
import { Refused } from "../../components/Said";

/** Password, then a code of the app that has scanned the secret, then the recovery codes to keep. */
export function TurnOn({ done }: { done: () => void }) {
  const { account: texts } = useTexts();
  const form = useForm({ initialValues: { password: "" } });
  const begin = useMutation({
    mutationFn: (body: typeof form.values) => answer(api.POST("/v1/me/second-factor", { body })),
  });
  if (begin.data) return <Scan setup={begin.data} done={done} />;
  return (
    <form onSubmit={form.onSubmit((values) => begin.mutate(values))}>
      <Stack maw="26rem">
        <PasswordInput
          label={texts.presentPassword}
          autoComplete="current-password"
          required
          autoFocus
          dir="ltr"
          {...form.getInputProps("password")}
        />
        <Refused problem={begin.error} />
        <Group>
          <Button type="submit" loading={begin.isPending}>
            {texts.go}
          </Button>
          <Button variant="subtle" color="gray" onClick={done}>
            {texts.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Scan({ setup, done }: { setup: components["schemas"]["SecondFactorSetup"]; done: () => void }) {
  const { account: texts } = useTexts();
  const form = useForm({ initialValues: { code: "" } });
  const confirm = useMutation({
    mutationFn: (body: typeof form.values) => answer(api.POST("/v1/me/second-factor/confirm", { body })),
  });
  if (confirm.data) return <Keep codes={confirm.data.recovery_codes} done={done} />;
  return (
    <form onSubmit={form.onSubmit((values) => confirm.mutate(values))}>
      <Stack maw="26rem">
        <Text>{texts.scan}</Text>
        <QrCode text={setup.otpauth_url} name={texts.scanAlt} />
        <Text size="sm" c="dimmed">
          {texts.secretHint}
        </Text>
        <Code dir="ltr" style={{ overflowWrap: "anywhere", fontSize: "0.95rem" }}>
          {setup.secret}
        </Code>
        <TextInput
          label={texts.code}
          autoComplete="one-time-code"
          inputMode="numeric"
          required
          minLength={6}
          dir="ltr"
          {...form.getInputProps("code")}
        />
        <Refused problem={confirm.error} />
        <Group>
          <Button type="submit" loading={confirm.isPending}>
            {texts.confirm}
          </Button>
          <Button variant="subtle" color="gray" onClick={done}>
            {texts.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Keep({ codes, done }: { codes: string[]; done: () => void }) {
  const { account: texts } = useTexts();
  return (
    <Stack>
      <div>
        <Title order={3}>{texts.recoveryTitle}</Title>
        <Text>{texts.recoveryText}</Text>
      </div>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs" dir="ltr">
        {codes.map((code) => (
          <Code key={code} style={{ fontSize: "0.95rem" }}>
            {code}
          </Code>
        ))}
      </SimpleGrid>
      <Group>
        <CopyButton value={codes.join("\n")}>
          {({ copied, copy }) => (
            <Button variant="default" onClick={copy}>
              {copied ? texts.copied : texts.copy}
            </Button>
          )}
        </CopyButton>
        <Button onClick={done}>{texts.kept}</Button>
      </Group>
    </Stack>
  );
}
