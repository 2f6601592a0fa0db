import { Button, PasswordInput, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useTexts } from "../../app/language";
import { Done, Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

export function Password() {
  const { account: texts } = useTexts();
  const queries = useQueryClient();
  const form = useForm({ initialValues: { present_password: "", password: "" } });
  const change = useMutation({
    mutationFn: (body: typeof form.values) => answer(api.POST("/v1/me/password", { body })),
    onSuccess: () => {
      form.reset();
      void queries.invalidateQueries({ queryKey: ["sign-ins"] });
      void queries.invalidateQueries({ queryKey: ["security-events"] });
    },
  });
  return (
    <Sheet title={texts.password} lead={texts.passwordLead}>
      <form onSubmit={form.onSubmit((values) => change.mutate(values))}>
        <Stack maw="26rem">
          <PasswordInput
            label={texts.presentPassword}
            autoComplete="current-password"
            required
            dir="ltr"
            {...form.getInputProps("present_password")}
          />
          <PasswordInput
            label={texts.newPassword}
            description={texts.newPasswordHint}
            autoComplete="new-password"
            required
            minLength={8}
            maxLength={256}
            dir="ltr"
            {...form.getInputProps("password")}
          />
          <Refused problem={change.error} />
          {change.isSuccess ? <Done>{texts.passwordChanged}</Done> : null}
          <div>
            <Button type="submit" variant="default" loading={change.isPending}>
              {texts.changePassword}
            </Button>
          </div>
        </Stack>
      </form>
    </Sheet>
  );
}
