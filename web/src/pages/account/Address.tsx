import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useTexts } from "../../app/language";
import { Done, Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

/** Another address: it counts once somebody who reads mails there has said so. */
export function Address() {
  const { account: texts } = useTexts();
  const form = useForm({ initialValues: { email: "", password: "" } });
  const ask = useMutation({
    mutationFn: (body: typeof form.values) => answer(api.POST("/v1/me/email", { body })),
    onSuccess: () => form.reset(),
  });
  return (
    <Sheet title={texts.address} lead={texts.addressLead}>
      <form onSubmit={form.onSubmit((values) => ask.mutate(values))}>
        <Stack maw="26rem">
          <TextInput
            label={texts.newAddress}
            type="email"
            autoComplete="email"
            required
            maxLength={254}
            dir="ltr"
            {...form.getInputProps("email")}
          />
          <PasswordInput
            label={texts.presentPassword}
            autoComplete="current-password"
            required
            dir="ltr"
            {...form.getInputProps("password")}
          />
          <Refused problem={ask.error} />
          {ask.isSuccess ? <Done>{texts.addressAsked}</Done> : null}
          <div>
            <Button type="submit" variant="default" loading={ask.isPending}>
              {texts.changeAddress}
            </Button>
          </div>
        </Stack>
      </form>
    </Sheet>
  );
}
