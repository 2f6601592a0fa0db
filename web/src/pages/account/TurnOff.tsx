import { Button, Group, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";

export function TurnOff({ done }: { done: () => void }) {
  const { account: texts } = useTexts();
  const form = useForm({ initialValues: { password: "", code: "" } });
  const remove = useMutation({
    mutationFn: (body: typeof form.values) => answer(api.DELETE("/v1/me/second-factor", { body })),
    onSuccess: done,
  });
  return (
    <form onSubmit={form.onSubmit((values) => remove.mutate(values))}>
      <Stack maw="26rem">
        <PasswordInput
          label={texts.presentPassword}
          autoComplete="current-password"
          required
          autoFocus
          dir="ltr"
          {...form.getInputProps("password")}
        />
        <TextInput
          label={texts.codeOrRecovery}
          autoComplete="one-time-code"
          required
          minLength={6}
          dir="ltr"
          {...form.getInputProps("code")}
        />
        <Refused problem={remove.error} />
        <Group>
          <Button type="submit" color="red" loading={remove.isPending}>
            {texts.turnOff}
          </Button>
          <Button variant="subtle" color="gray" onClick={done}>
            {texts.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
