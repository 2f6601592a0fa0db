import { Button, Stack, Title } from "@mantine/core";
import { useTexts } from "../app/language";
import { Refused } from "./Said";

/** In place of a page that cannot be shown before the platform answers. */
export function Unanswered({ problem, again }: { problem: unknown; again: () => void }) {
  const { common } = useTexts();
  return (
    <Stack align="flex-start" py="xl">
      <Title order={1}>{common.mishap}</Title>
      <Refused problem={problem} />
      <Button onClick={again}>{common.again}</Button>
    </Stack>
  );
}
