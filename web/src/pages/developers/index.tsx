import { Anchor, Stack, Text, Title } from "@mantine/core";
import { useTexts } from "../../app/language";
import { Examples } from "./Examples";
import { Keys } from "./Keys";

export default function Developers() {
  const { developers: words } = useTexts();
  return (
    <Stack gap="lg">
      <div>
        <Title order={1}>{words.title}</Title>
        <Text c="dimmed" mt={6}>
          {words.lead} <Anchor href="/docs">{words.reference}</Anchor>
        </Text>
      </div>
      <Keys />
      <Examples />
    </Stack>
  );
}
