import { Button } from "@mantine/core";
import { useTexts } from "../app/language";

/** Below a list: asks for the next part, where there is one. */
export function More({ more, loading }: { more: (() => void) | null; loading: boolean }) {
  const { common } = useTexts();
  if (more === null) return null;
  return (
    <div>
      <Button variant="default" size="sm" onClick={more} loading={loading}>
        {common.more}
      </Button>
    </div>
  );
}
