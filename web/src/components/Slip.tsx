import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./Slip.module.css";

/** A narrow page with one thing to do. */
export function Slip({ title, lead, children }: { title: string; lead?: string; children?: ReactNode }) {
  return (
    <Stack className={classes.slip} gap="lg">
      <div>
        <Title order={1}>{title}</Title>
        {lead === undefined ? null : <Text c="dimmed">{lead}</Text>}
      </div>
      {children}
    </Stack>
  );
}
