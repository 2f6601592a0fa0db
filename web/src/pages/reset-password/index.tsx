import { Button, PasswordInput, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { Link } from "wouter";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useTokenOfLink } from "../../app/fragment";
import { useTexts } from "../../app/language";
import { AskForMail } from "../../components/AskForMail";
import { Done, Refused } from "../../components/Said";
import { Slip } from "../../components/Slip";

export default function ResetPassword() {
  const token = useTokenOfLink();
  return token === null ? <Ask /> : <Choose token={token} />;
}

function Ask() {
  const { reset: texts } = useTexts();
  return (
    <AskForMail
      texts={{ ...texts, lead: texts.askLead, submit: texts.ask }}
      autoComplete="username"
      ask={(email) => answer(api.POST("/v1/auth/password-reset", { body: { email } }))}
    />
  );
}

function Choose({ token }: { token: string }) {
  const { reset: texts, signIn } = useTexts();
  const form = useForm({ initialValues: { password: "" } });
  const choose = useMutation({
    mutationFn: (password: string) =>
      answer(api.POST("/v1/auth/password-reset/confirm", { body: { token, password } })),
  });
  if (choose.isSuccess) {
    return (
      <Slip title={texts.title}>
        <Done>{texts.done}</Done>
        <Button component={Link} href="/sign-in">
          {signIn.title}
        </Button>
      </Slip>
    );
  }
  return (
    <Slip title={texts.title}>
      <form onSubmit={form.onSubmit(({ password }) => choose.mutate(password))}>
        <Stack>
          <PasswordInput
            label={texts.password}
            description={texts.passwordHint}
            autoComplete="new-password"
            required
            minLength={8}
            maxLength={256}
            dir="ltr"
            {...form.getInputProps("password")}
          />
          <Refused problem={choose.error} />
          <Button type="submit" loading={choose.isPending}>
            {texts.submit}
          </Button>
        </Stack>
      </form>
    </Slip>
  );
}
