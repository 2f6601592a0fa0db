import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "wouter";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useTokenOfLink } from "../../app/fragment";
import { useTexts } from "../../app/language";
import { Done, Refused } from "../../components/Said";
import { Slip } from "../../components/Slip";

/** Nothing happens before a person presses the button: programs that look at links in mails use up no token. */
export default function VerifyEmail() {
  const token = useTokenOfLink();
  return token === null ? <SignUpAgain /> : <Confirm token={token} />;
}

function Confirm({ token }: { token: string }) {
  const { verify: texts, signIn } = useTexts();
  const verify = useMutation({
    mutationFn: () => answer(api.POST("/v1/auth/verify-email", { body: { token } })),
  });
  if (verify.isSuccess) {
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
    <Slip title={texts.title} lead={texts.lead}>
      <Refused problem={verify.error} />
      <Button onClick={() => verify.mutate()} loading={verify.isPending}>
        {texts.submit}
      </Button>
    </Slip>
  );
}

/** Each link is of the password that was chosen with it: another is had with a password, not with an address alone. */
function SignUpAgain() {
  const { verify: texts } = useTexts();
  return (
    <Slip title={texts.title} lead={texts.againLead}>
      <Button component={Link} href="/sign-up">
        {texts.again}
      </Button>
    </Slip>
  );
}
