import { Anchor, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { Link } from "wouter";
import { Problem } from "../../api/problem";
import { useSignIn } from "../../api/session";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Slip } from "../../components/Slip";

/** Where it leads afterwards is decided where pages are guarded: this one is for guests. */
export default function SignIn() {
  const { signIn: texts } = useTexts();
  const signIn = useSignIn();
  const form = useForm({ initialValues: { email: "", password: "", code: "" } });
  const wantsCode = signIn.error instanceof Problem && signIn.error.code === "second_factor_required";
  const asksForCode = wantsCode || form.values.code !== "";
  const isRefused = signIn.error instanceof Problem && signIn.error.code === "invalid_grant";
  // The API tells nobody which of the three was wrong; the password was right a moment ago.
  const problem = asksForCode && isRefused ? new Problem(400, "wrong_code", "") : signIn.error;
  const sent = new URLSearchParams(location.search).has("next");
  return (
    <Slip
      title={texts.title}
      {...(asksForCode ? { lead: texts.codeLead } : sent ? { lead: texts.sessionEnded } : {})}
    >
      <form
        onSubmit={form.onSubmit(({ email, password, code }) =>
          signIn.mutate(code === "" ? { email, password } : { email, password, code: code.trim() }),
        )}
      >
        <Stack>
          <div hidden={asksForCode}>
            <Stack>
              <TextInput
                label={texts.email}
                type="email"
                autoComplete="username"
                required
                dir="ltr"
                {...form.getInputProps("email")}
              />
              <PasswordInput
                label={texts.password}
                autoComplete="current-password"
                required
                dir="ltr"
                {...form.getInputProps("password")}
              />
            </Stack>
          </div>
          {asksForCode ? (
            <TextInput
              label={texts.code}
              description={texts.codeHint}
              autoComplete="one-time-code"
              required
              autoFocus
              dir="ltr"
              {...form.getInputProps("code")}
            />
          ) : null}
          {wantsCode ? null : <Refused problem={problem} />}
          <Button type="submit" fullWidth loading={signIn.isPending}>
            {texts.submit}
          </Button>
        </Stack>
      </form>
      <Group justify="space-between">
        <Anchor component={Link} href="/account/reset-password">
          {texts.forgotten}
        </Anchor>
        <Text>
          {texts.noAccount}{" "}
          <Anchor component={Link} href="/sign-up">
            {texts.create}
          </Anchor>
        </Text>
      </Group>
    </Slip>
  );
}
