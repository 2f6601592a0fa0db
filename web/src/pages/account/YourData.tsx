import { Button, Checkbox, Divider, Group, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { forget } from "../../api/session";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

export function YourData() {
  const { account: texts } = useTexts();
  const [erasing, setErasing] = useState(false);
  return (
    <Sheet title={texts.data}>
      <Text>{texts.exportText}</Text>
      <div>
        <Button component="a" href="/v1/me/export" download variant="default">
          {texts.export}
        </Button>
      </div>
      <Divider />
      <div>
        <Title order={3}>{texts.erase}</Title>
        <Text>{texts.eraseText}</Text>
      </div>
      {erasing ? (
        <Erase cancel={() => setErasing(false)} />
      ) : (
        <div>
          <Button variant="outline" color="red" onClick={() => setErasing(true)}>
            {texts.erase}
          </Button>
        </div>
      )}
    </Sheet>
  );
}

function Erase({ cancel }: { cancel: () => void }) {
  const { account: texts } = useTexts();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const form = useForm({ initialValues: { password: "", sure: false } });
  const erase = useMutation({
    mutationFn: (password: string) => answer(api.DELETE("/v1/me", { body: { password } })),
    onSuccess: ({ receipt_url }) => {
      // There is no account any more to read it with: the address is what opens the receipt.
      go(`/erasures/${receipt_url.split("/").at(-1)}`);
      forget(queries);
    },
  });
  return (
    <form onSubmit={form.onSubmit(({ password }) => erase.mutate(password))}>
      <Stack maw="26rem">
        <PasswordInput
          label={texts.presentPassword}
          autoComplete="current-password"
          required
          autoFocus
          dir="ltr"
          {...form.getInputProps("password")}
        />
        <Checkbox label={texts.eraseConfirm} required {...form.getInputProps("sure", { type: "checkbox" })} />
        <Refused problem={erase.error} />
        <Group>
          <Button type="submit" color="red" loading={erase.isPending}>
            {texts.eraseSubmit}
          </Button>
          <Button variant="subtle" color="gray" onClick={cancel}>
            {texts.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
