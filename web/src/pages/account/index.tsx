import { Stack, Title } from "@mantine/core";
import { useUser } from "../../api/session";
import { useTexts } from "../../app/language";
import { Address } from "./Address";
import { Password } from "./Password";
import { Profile } from "./Profile";
import { SecondFactor } from "./SecondFactor";
import { SecurityEvents } from "./SecurityEvents";
import { SignIns } from "./SignIns";
import { YourData } from "./YourData";

export default function Account() {
  const { account: texts } = useTexts();
  const user = useUser();
  if (!user) return null;
  return (
    <Stack gap="lg" maw="46rem" mx="auto">
      <Title order={1}>{texts.title}</Title>
      <Profile user={user} />
      <Address />
      <Password />
      <SecondFactor />
      <SignIns />
      <SecurityEvents />
      <YourData />
    </Stack>
  );
}
