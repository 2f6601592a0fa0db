import { Button, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { Done, Refused } from "./Said";
import { Slip } from "./Slip";

interface Props {
  texts: { title: string; lead: string; email: string; sent: string; submit: string };
  /** What browsers offer to fill in. */
  autoComplete: "username" | "email";
  ask: (email: string) => Promise<unknown>;
}

/** Asks for an address to which a mail with a link goes; what it says afterwards is the same for every address. */
export function AskForMail({ texts, autoComplete, ask }: Props) {
  const form = useForm({ initialValues: { email: "" } });
  const mail = useMutation({ mutationFn: ask });
  return (
    <Slip title={texts.title} lead={texts.lead}>
      <form onSubmit={form.onSubmit(({ email }) => mail.mutate(email))}>
        <Stack>
          <TextInput
            label={texts.email}
            type="email"
            autoComplete={autoComplete}
            required
            dir="ltr"
            {...form.getInputProps("email")}
          />
          <Refused problem={mail.error} />
          {mail.isSuccess ? <Done>{texts.sent}</Done> : null}
          <Button type="submit" loading={mail.isPending}>
            {texts.submit}
          </Button>
        </Stack>
      </form>
    </Slip>
  );
}
