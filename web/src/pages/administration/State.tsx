import { Badge } from "@mantine/core";

const COLOURS: Record<string, string> = {
  succeeded: "pine",
  live: "pine",
  running: "ember",
  failed: "red",
  silent: "red",
  passed_over: "red",
};

/** A state in a word; the colour says no more than the word does. */
export function State({ state, children }: { state: string; children: string }) {
  return (
    <Badge variant="light" color={COLOURS[state] ?? "gray"} radius="sm" tt="none" fw={500}>
      {children}
    </Badge>
  );
}
