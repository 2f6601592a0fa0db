import { Anchor, Stack, Text, Title } from "@mantine/core";
import { useUser } from "../../api/session";
import { useTexts } from "../../app/language";
import { Sheet } from "../../components/Sheet";
import { Examples } from "./Examples";
import { Feed } from "./Feed";
import { Keys } from "./Keys";
import { Webhooks } from "./Webhooks";

export default function Developers() {
  const { developers: words, webhooks } = useTexts();
  const partner = useUser()?.roles.includes("partner");
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
      {partner ? (
        <>
          <Webhooks />
          <Feed />
        </>
      ) : (
        <Sheet title={webhooks.title} lead={webhooks.forPartners}>
          {null}
        </Sheet>
      )}
    </Stack>
  );
}
