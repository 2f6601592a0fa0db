import { Button, Stack, Text, Title } from "@mantine/core";
import { useTexts } from "../app/language";

/** A page that could not be shown, such as one of an older build that is gone from the server. */
export function Mishap() {
  const { common } = useTexts();
  return (
    <Stack align="flex-start" py="xl" role="alert">
      <Title order={1}>{common.mishap}</Title>
      <Text>{common.mishapHint}</Text>
      <Button onClick={() => location.reload()}>{common.reload}</Button>
    </Stack>
  );
}
