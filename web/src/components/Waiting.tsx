import { Center, Loader } from "@mantine/core";
import { useTexts } from "../app/language";

/** Stands where something comes in a moment. */
export function Waiting() {
  const { common } = useTexts();
  return (
    <Center mih="60vh" role="status" data-coming aria-label={common.loading}>
      <Loader size="sm" type="dots" />
    </Center>
  );
}
