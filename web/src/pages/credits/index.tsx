import { Stack, Title } from "@mantine/core";
import { useTexts } from "../../app/language";
import { Balance } from "./Balance";
import { Ledger } from "./Ledger";
import { Payments } from "./Payments";
import { Plan } from "./Plan";
import { Prices } from "./Prices";

export default function Credits() {
  const { credits: texts } = useTexts();
  return (
    <Stack gap="lg">
      <Title order={1}>{texts.title}</Title>
      <Balance />
      <Plan />
      <Prices />
      <Payments />
      <Ledger />
    </Stack>
  );
}
