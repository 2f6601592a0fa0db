import { Anchor, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { Link } from "wouter";
import { api } from "../../api/client";
import { answer, Problem } from "../../api/problem";
import { useSignIn } from "../../api/session";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Slip } from "../../components/Slip";

/** Where addresses are proved by mail there is no account to sign in to yet, and the mail is what comes next. */
export default function SignUp() {
  const { signUp: texts, signIn: signInTexts } = useTexts();
  const signIn = useSignIn();
  const form = useForm({ initialValues: { email: "", password: "", name: "" } });
  const register = useMutation({
    mutationFn: async ({ email, password, name }: typeof form.values) => {
      const display_name = name.trim() === "" ? null : name.trim();
      await answer(api.POST("/v1/auth/register", { body: { email, password, display_name } }));
      try {
        await signIn.mutateAsync({ email, password });
      } catch (problem) {
        if (!(problem instanceof Problem && problem.code === "invalid_grant")) throw problem;
      }
    },
  });
  if (register.isSuccess) {
    return <Slip title={texts.checkMail} lead={texts.checkMailText(form.values.email)} />;
  }
  return (
    <Slip title={texts.title}>
      <form onSubmit={form.onSubmit((values) => register.mutate(values))}>
        <Stack>
          <TextInput
            label={texts.name}
            description={texts.nameHint}
            autoComplete="name"
            maxLength={100}
            {...form.getInputProps("name")}
          />
          <TextInput
            label={texts.email}
            type="email"
            autoComplete="username"
            required
            maxLength={254}
            dir="ltr"
            {...form.getInputProps("email")}
          />
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
          <Refused problem={register.error} />
          <Button type="submit" fullWidth loading={register.isPending}>
            {texts.submit}
          </Button>
        </Stack>
      </form>
      <Text>
        {texts.haveOne}{" "}
        <Anchor component={Link} href="/sign-in">
          {signInTexts.title}
        </Anchor>
      </Text>
    </Slip>
  );
}
